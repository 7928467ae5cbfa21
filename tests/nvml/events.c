/* Event sets: each reads the log "events" beside the state file from where its GPUs were added. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

enum { MAX_LINE = 128, EVERY_INSTANCE = -1 };

struct event_set {
  ullong types[MAX_GPUS]; /* a mask; 0: the GPU is not registered */
  long since[MAX_GPUS];   /* where the log ended when it was */
  long next;              /* the first line not yet looked at */
  int watch;              /* an inotify descriptor on the folder */
};

/* The name of a file, or "" for the folder itself, beside the state file. */
static void beside(const char *name, char *path, size_t size) {
  snprintf(path, size, "%s", state_path());
  char *slash = strrchr(path, '/');
  size_t folder = slash ? (size_t)(slash + 1 - path) : 0;
  snprintf(path + folder, size - folder, "%s", name);
}

static FILE *open_log(void) {
  char path[4096];
  beside("events", path, sizeof path);
  return fopen(path, "re");
}

static bool log_grew(long past) {
  char path[4096];
  struct stat found;
  beside("events", path, sizeof path);
  return stat(path, &found) == 0 && (long)found.st_size > past;
}

static long log_end(void) {
  FILE *log = open_log();
  if (!log) {
    return 0;
  }
  fseek(log, 0, SEEK_END);
  long end = ftell(log);
  fclose(log);
  return end;
}

EXPORT Result nvmlEventSetCreate(EventSet *out) {
  if (!initialised()) {
    return UNINITIALIZED;
  }
  char folder[4096];
  beside("", folder, sizeof folder);
  *out = calloc(1, sizeof **out);
  (*out)->next = log_end();
  (*out)->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  inotify_add_watch((*out)->watch, *folder ? folder : ".", IN_CLOSE_WRITE | IN_MOVED_TO);
  return SUCCESS;
}

EXPORT Result nvmlEventSetFree(EventSet set) {
  close(set->watch);
  free(set);
  return SUCCESS;
}

EXPORT Result nvmlDeviceRegisterEvents(Device device, ullong types, EventSet set) {
  ullong supported = 0;
  Result result = begin(device, __func__);
  if (result != SUCCESS) {
    return result;
  }
  if (device->instance != WHOLE_GPU || !number_of(device, "event_types", &supported) ||
      types & ~supported) {
    return NOT_SUPPORTED;
  }
  if (!set->types[device->gpu]) {
    set->since[device->gpu] = log_end();
  }
  set->types[device->gpu] |= types;
  return SUCCESS;
}

static bool wanted(EventSet set, long at, const char *line, EventData *out) {
  int gpu;
  ullong type, data;
  if (sscanf(line, "%d %llu %llu", &gpu, &type, &data) != 3 || gpu < 0 || gpu >= MAX_GPUS ||
      !(set->types[gpu] & type) || at < set->since[gpu]) {
    return false;
  }
  *out = (EventData){state_device(gpu, WHOLE_GPU), type, data, (uint)EVERY_INSTANCE,
                     (uint)EVERY_INSTANCE};
  return true;
}

/* Takes the next event out; a line without its end is still being written. */
static bool take_event(EventSet set, EventData *out) {
  char line[MAX_LINE];
  bool found = false;
  FILE *log = log_grew(set->next) ? open_log() : NULL;
  if (!log) {
    return false;
  }
  fseek(log, set->next, SEEK_SET);
  while (!found && fgets(line, sizeof line, log) && strchr(line, '\n')) {
    found = wanted(set, set->next, line, out);
    set->next = ftell(log);
  }
  fclose(log);
  return found;
}

static bool any_lost(EventSet set) {
  for (int gpu = 0; gpu < MAX_GPUS; gpu++) {
    if (set->types[gpu] && fault_is(state_device(gpu, WHOLE_GPU), "lost")) {
      return true;
    }
  }
  return false;
}

static ullong milliseconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (ullong)now.tv_sec * 1000 + (ullong)now.tv_nsec / 1000000;
}

/* Sleeps as the real one does, without polls: an agent's own cost is measured over this library. */
static void wait_for_change(EventSet set, int milliseconds) {
  char seen[4096];
  struct pollfd waiting = {.fd = set->watch, .events = POLLIN};
  poll(&waiting, 1, milliseconds);
  while (read(set->watch, seen, sizeof seen) > 0) {
  }
}

/* As nvml.h has it, events come first; then GPU_IS_LOST, at once and every time, while one of the
 * set's GPUs is lost. */
EXPORT Result nvmlEventSetWait_v2(EventSet set, EventData *out, uint timeout) {
  ullong end = milliseconds_now() + timeout;
  for (;;) {
    Result result = begin_system();
    if (result != SUCCESS) {
      return result;
    }
    if (take_event(set, out)) {
      return SUCCESS;
    }
    if (any_lost(set)) {
      return GPU_IS_LOST;
    }
    ullong now = milliseconds_now();
    if (now >= end) {
      return TIMEOUT;
    }
    wait_for_change(set, (int)(end - now));
  }
}

EXPORT Result nvmlEventSetWait(EventSet set, EventData *out, uint timeout) {
  return nvmlEventSetWait_v2(set, out, timeout);
}

/* The state file as tables in memory, read again whenever the file is replaced.
 *
 * The lock is held for a lookup, never while a call sleeps: a hung GPU must not stop the others. */
#define _GNU_SOURCE
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ENTRIES = 512, SLOTS = 2 * MAX_ENTRIES, MAX_KEY = 128, SYSTEM = MAX_GPUS };

typedef struct {
  const char *key, *value;
} Entry;

/* A hash table with open addressing. A driver does not search through text: an agent's own cost is
 * measured over this library. */
typedef struct {
  Entry entries[MAX_ENTRIES];
  int count;
  unsigned short slots[SLOTS]; /* 0, or one more than the place of an entry */
} Section;

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static Section sections[MAX_GPUS + 1];
static char *text;
static struct stat seen;
static int held = -1; /* kept open so that its inode is not given to a later file */
static atomic_int hung;
static struct device devices[MAX_GPUS][MAX_INSTANCES + 1];

const char *state_path(void) {
  const char *path = getenv("LLMOS_NVML_STATE");
  return path ? path : "";
}

void sleep_ms(uint milliseconds) {
  struct timespec left = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
  while (nanosleep(&left, &left) == -1 && errno == EINTR) {
  }
}

ullong microseconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (ullong)now.tv_sec * 1000000 + (ullong)now.tv_nsec / 1000;
}

/* ---- reading ------------------------------------------------------------------------------- */

static char *trim(char *word) {
  word += strspn(word, " \t");
  size_t length = strlen(word);
  while (length && strchr(" \t\r", word[length - 1])) {
    word[--length] = '\0';
  }
  return word;
}

static Section *section_of(const char *name) {
  if (strcmp(name, "system") == 0) {
    return &sections[SYSTEM];
  }
  char *end;
  long gpu = strtol(name, &end, 10);
  return *name && !*end && gpu >= 0 && gpu < MAX_GPUS ? &sections[gpu] : NULL;
}

/* FNV-1a. The slot of the key, or the empty one where it belongs. */
static unsigned short *slot_of(Section *section, const char *key) {
  uint hash = 2166136261u;
  for (const char *at = key; *at; at++) {
    hash = (hash ^ (unsigned char)*at) * 16777619u;
  }
  for (;; hash++) {
    unsigned short *slot = &section->slots[hash % SLOTS];
    if (!*slot || strcmp(section->entries[*slot - 1].key, key) == 0) {
      return slot;
    }
  }
}

static void keep(Section *section, Entry entry) {
  unsigned short *slot = slot_of(section, entry.key);
  if (!*slot && section->count < MAX_ENTRIES) { /* the first of two lines counts */
    section->entries[section->count++] = entry;
    *slot = (unsigned short)section->count;
  }
}

static void parse_line(char *line) {
  char *equals = strchr(line, '='), *dot = strchr(line, '.');
  if (*line == '#' || !equals || !dot || dot > equals) {
    return;
  }
  *equals = *dot = '\0';
  Section *section = section_of(trim(line));
  if (section) {
    keep(section, (Entry){trim(dot + 1), trim(equals + 1)});
  }
}

static void parse(char *content) {
  for (int i = 0; i <= MAX_GPUS; i++) {
    if (sections[i].count) {
      sections[i].count = 0;
      memset(sections[i].slots, 0, sizeof sections[i].slots);
    }
  }
  char *rest = content;
  for (char *line; (line = strsep(&rest, "\n"));) {
    parse_line(line);
  }
}

static char *read_whole(int file, size_t size) {
  char *content = malloc(size + 1);
  size_t length = 0;
  for (ssize_t got; content && (got = read(file, content + length, size - length)) > 0;) {
    length += (size_t)got;
  }
  if (content) {
    content[length] = '\0';
  }
  return content;
}

static bool same_file(const struct stat *a, const struct stat *b) {
  return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
         a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* With the lock held. A file that cannot be read leaves what was read before. */
static void read_if_replaced(void) {
  struct stat now;
  if (stat(state_path(), &now) != 0 || (text && same_file(&now, &seen))) {
    return;
  }
  int file = open(state_path(), O_RDONLY | O_CLOEXEC);
  if (file < 0 || fstat(file, &now) != 0) {
    return;
  }
  char *content = read_whole(file, (size_t)now.st_size);
  if (!content) {
    close(file);
    return;
  }
  parse(content);
  free(text);
  text = content;
  seen = now;
  if (held >= 0) {
    close(held);
  }
  held = file;
}

bool refresh(void) {
  pthread_mutex_lock(&guard);
  read_if_replaced();
  bool present = text != NULL;
  pthread_mutex_unlock(&guard);
  return present;
}

/* ---- lookups ------------------------------------------------------------------------------- */

/* With the lock held. */
static const char *find(int section, const char *key) {
  Section *in = &sections[section];
  unsigned short place = *slot_of(in, key);
  return place ? in->entries[place - 1].value : NULL;
}

/* "fan" in the list hides "fan", "fan.0" and "fan.count". */
static bool listed(const char *list, const char *key) {
  for (const char *word = list; word && *(word += strspn(word, " ,"));) {
    size_t length = strcspn(word, " ,");
    if (strncmp(word, key, length) == 0 && (key[length] == '\0' || key[length] == '.')) {
      return true;
    }
    word += length;
  }
  return false;
}

bool text_of(Device device, const char *key, char *out, size_t size) {
  char full[MAX_KEY];
  bool instance = device && device->instance != WHOLE_GPU;
  if (instance) {
    snprintf(full, sizeof full, "mig.%d.%s", device->instance, key);
  }
  int section = device ? device->gpu : SYSTEM;
  pthread_mutex_lock(&guard);
  const char *value = listed(find(section, "unsupported"), key) ? NULL : find(section, instance ? full : key);
  if (value) {
    size_t length = strnlen(value, size - 1);
    memcpy(out, value, length);
    out[length] = '\0';
  }
  pthread_mutex_unlock(&guard);
  return value != NULL;
}

bool number_of(Device device, const char *key, ullong *out) {
  char value[64];
  if (!text_of(device, key, value, sizeof value)) {
    return false;
  }
  char *end;
  *out = strtoull(value, &end, 0);
  return end != value && *end == '\0';
}

uint state_gpus(void) {
  ullong gpus = 0;
  number_of(NULL, "gpus", &gpus);
  return gpus < MAX_GPUS ? (uint)gpus : MAX_GPUS;
}

Device state_device(int gpu, int instance) { return &devices[gpu][instance + 1]; }

__attribute__((constructor)) static void number_devices(void) {
  for (int gpu = 0; gpu < MAX_GPUS; gpu++) {
    for (int instance = WHOLE_GPU; instance < MAX_INSTANCES; instance++) {
      *state_device(gpu, instance) = (struct device){gpu, instance};
    }
  }
}

/* ---- faults -------------------------------------------------------------------------------- */

static bool known(Device device) {
  ptrdiff_t at = (char *)device - (char *)devices;
  return at >= 0 && (size_t)at < sizeof devices && at % (ptrdiff_t)sizeof *device == 0 &&
         device->gpu < (int)state_gpus();
}

/* Faults are the GPU's, whichever of its instances is asked. */
static bool fault_text(Device device, const char *key, char *out, size_t size) {
  struct device whole = {device->gpu, WHOLE_GPU};
  return text_of(&whole, key, out, size);
}

bool fault_is(Device device, const char *name) {
  char fault[32];
  return fault_text(device, "fault", fault, sizeof fault) && strcmp(fault, name) == 0;
}

bool hidden(Device device, const char *name) {
  char list[MAX_TEXT];
  return fault_text(device, "unsupported", list, sizeof list) && listed(list, name);
}

static void wait_out_hang(Device device) {
  if (!fault_is(device, "hung")) {
    return;
  }
  atomic_fetch_add(&hung, 1);
  do {
    sleep_ms(POLL_MS);
    refresh();
  } while (fault_is(device, "hung"));
  atomic_fetch_sub(&hung, 1);
}

int calls_hung(void) { return atomic_load(&hung); }

static void sleep_if_slow(Device device) {
  char seconds[32];
  if (fault_text(device, "slow", seconds, sizeof seconds)) {
    sleep_ms((uint)(strtod(seconds, NULL) * 1000));
  }
}

Result begin_system(void) {
  if (!initialised()) {
    return UNINITIALIZED;
  }
  refresh();
  return SUCCESS;
}

Result begin(Device device, const char *function) {
  Result result = begin_system();
  if (result != SUCCESS) {
    return result;
  }
  if (!known(device)) {
    return INVALID_ARGUMENT;
  }
  wait_out_hang(device);
  sleep_if_slow(device);
  if (fault_is(device, "lost")) {
    return GPU_IS_LOST;
  }
  return hidden(device, function) ? NOT_SUPPORTED : SUCCESS;
}

/* ---- getters ------------------------------------------------------------------------------- */

Result give_ullong(Device device, const char *function, const char *key, ullong *out) {
  Result result = begin(device, function);
  if (result != SUCCESS) {
    return result;
  }
  return number_of(device, key, out) ? SUCCESS : NOT_SUPPORTED;
}

Result give_uint(Device device, const char *function, const char *key, uint *out) {
  ullong wide;
  Result result = give_ullong(device, function, key, &wide);
  if (result == SUCCESS) {
    *out = (uint)wide;
  }
  return result;
}

Result give_text(Device device, const char *function, const char *key, char *out, uint size) {
  char value[MAX_TEXT];
  Result result = begin(device, function);
  if (result != SUCCESS) {
    return result;
  }
  if (!text_of(device, key, value, sizeof value)) {
    return NOT_SUPPORTED;
  }
  if (strlen(value) >= size) {
    return INSUFFICIENT_SIZE;
  }
  strcpy(out, value);
  return SUCCESS;
}

/* Who uses a GPU: the key "processes" of the GPU and of each of its MIG instances. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

enum { MAX_PROCESSES = 256, NO_INSTANCE = -1 };

typedef struct {
  ProcessInfo found[MAX_PROCESSES];
  uint count;
} Processes;

/* Memory that the driver cannot tell is "n/a" here and all ones on the wire. */
static bool parse_process(const char *word, const char *kind, ProcessInfo *out) {
  char memory[32], own_kind[16];
  if (sscanf(word, "%u:%31[^:]:%15s", &out->pid, memory, own_kind) != 3) {
    return false;
  }
  out->memory = strcmp(memory, "n/a") == 0 ? ~0ull : strtoull(memory, NULL, 0);
  return !kind || strcmp(own_kind, kind) == 0;
}

/* Adds those of one device; `kind` NULL means all. */
static void add_processes(Device device, const char *kind, Processes *to) {
  char list[MAX_TEXT], *rest = list;
  ullong gpu_instance, compute_instance;
  if (!text_of(device, "processes", list, sizeof list)) {
    return;
  }
  bool divided = number_of(device, "gpu_instance", &gpu_instance) &&
                 number_of(device, "compute_instance", &compute_instance);
  for (char *word; (word = strsep(&rest, " ")) && to->count < MAX_PROCESSES;) {
    ProcessInfo *next = &to->found[to->count];
    if (parse_process(word, kind, next)) {
      next->gpu_instance = divided ? (uint)gpu_instance : (uint)NO_INSTANCE;
      next->compute_instance = divided ? (uint)compute_instance : (uint)NO_INSTANCE;
      to->count++;
    }
  }
}

/* A GPU names its instances' processes too. */
static void find_processes(Device device, const char *kind, Processes *out) {
  out->count = 0;
  add_processes(device, kind, out);
  for (int i = 0; device->instance == WHOLE_GPU && i < MAX_INSTANCES; i++) {
    add_processes(state_device(device->gpu, i), kind, out);
  }
}

static Result give_processes(Device device, const char *function, const char *kind, uint *count,
                             ProcessInfo *out) {
  Processes processes;
  uint room = *count;
  Result result = begin(device, function);
  if (result != SUCCESS) {
    return result;
  }
  if (hidden(device, "processes")) {
    return NOT_SUPPORTED;
  }
  find_processes(device, kind, &processes);
  *count = processes.count;
  if (processes.count && (!out || room < processes.count)) {
    return INSUFFICIENT_SIZE;
  }
  if (processes.count) {
    memcpy(out, processes.found, processes.count * sizeof *out);
  }
  return SUCCESS;
}

#define RUNNING(function, kind)                                                \
  EXPORT Result function(Device device, uint *count, ProcessInfo *out) {       \
    return give_processes(device, #function, kind, count, out);                \
  }

RUNNING(nvmlDeviceGetComputeRunningProcesses_v2, "compute")
RUNNING(nvmlDeviceGetGraphicsRunningProcesses_v2, "graphics")
RUNNING(nvmlDeviceGetMPSComputeRunningProcesses_v2, "mps")
#ifndef OLD_LIBRARY
RUNNING(nvmlDeviceGetComputeRunningProcesses_v3, "compute")
RUNNING(nvmlDeviceGetGraphicsRunningProcesses_v3, "graphics")
RUNNING(nvmlDeviceGetMPSComputeRunningProcesses_v3, "mps")
#endif

/* The first version, without instances, which programs that are not pynvml still call. */
static Result give_first_version(Device device, const char *function, const char *kind, uint *count,
                                 ProcessInfoV1 *out) {
  ProcessInfo found[MAX_PROCESSES];
  uint room = *count;
  *count = MAX_PROCESSES;
  Result result = give_processes(device, function, kind, count, found);
  if (result != SUCCESS) {
    return result;
  }
  if (*count && (!out || room < *count)) {
    return INSUFFICIENT_SIZE;
  }
  for (uint i = 0; i < *count; i++) {
    out[i] = (ProcessInfoV1){found[i].pid, found[i].memory};
  }
  return SUCCESS;
}

#define RUNNING_V1(function, kind)                                             \
  EXPORT Result function(Device device, uint *count, ProcessInfoV1 *out) {     \
    return give_first_version(device, #function, kind, count, out);            \
  }

RUNNING_V1(nvmlDeviceGetComputeRunningProcesses, "compute")
RUNNING_V1(nvmlDeviceGetGraphicsRunningProcesses, "graphics")

static uint share(Device device, const char *key, uint processes) {
  ullong whole = 0;
  number_of(device, key, &whole);
  return (uint)(whole / processes);
}

/* Each process gets an equal share of the GPU's utilization, sampled now. */
EXPORT Result nvmlDeviceGetProcessUtilization(Device device, ProcessSample *out, uint *count,
                                              ullong since) {
  Processes processes;
  ullong now = microseconds_now(), divided = 0;
  uint room = *count;
  Result result = begin(device, __func__);
  if (result != SUCCESS) {
    return result;
  }
  number_of(device, "mig.mode", &divided);
  if (divided || device->instance != WHOLE_GPU || hidden(device, "processes")) {
    return NOT_SUPPORTED;
  }
  find_processes(device, NULL, &processes);
  *count = processes.count;
  if (processes.count == 0 || since >= now) {
    return NOT_FOUND;
  }
  if (!out || room < processes.count) {
    return INSUFFICIENT_SIZE;
  }
  for (uint i = 0; i < processes.count; i++) {
    out[i] = (ProcessSample){processes.found[i].pid,
                             now,
                             share(device, "utilization", processes.count),
                             share(device, "utilization.memory", processes.count),
                             share(device, "encoder", processes.count),
                             share(device, "decoder", processes.count)};
  }
  return SUCCESS;
}

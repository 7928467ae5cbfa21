/* A stand-in for NVIDIA's libnvidia-ml.so.1: the real pynvml runs on it, without a GPU.
 *
 * Everything it answers stands in a text file, named by LLMOS_NVML_STATE, of lines
 *
 *     SECTION.KEY = VALUE        SECTION is "system" or the index of a GPU; "#" lines are comments
 *
 * read again whenever the file was replaced (write another and rename it over the old one). A
 * getter whose key is not there answers NOT_SUPPORTED. Which key answers which call stands in the
 * tables of figures.c, links.c and processes.c. Units are NVML's (mW, KB/s, bytes, MHz, mJ).
 *
 *   system.gpus = 8                  how many there are
 *   system.nvml = 580.65.06          version of this library; other than system.driver's, and
 *   system.driver = 580.65.06        nvmlInit answers LIB_RM_VERSION_MISMATCH
 *   system.cuda = 13000
 *   system.fault = broken | hung     nvmlInit answers DRIVER_NOT_LOADED, or does not return
 *
 *   0.utilization = 37               a figure
 *   0.fault = lost | hung            every call answers GPU_IS_LOST, or waits until this changes
 *   0.slow = 0.5                     every call takes that many seconds
 *   0.unsupported = fan clock nvmlDeviceGetName     keys (with all below them) and functions that
 *                                    answer NOT_SUPPORTED
 *   0.processes = 41:1048576:compute 42:n/a:graphics        pid : bytes of memory : kind
 *   0.mig.mode = 1                   MIG is on; then its instances, each with keys of its own:
 *   0.mig.2.uuid = MIG-…             2 is the index; what an instance has no key for, such as
 *                                    utilization, is NOT_SUPPORTED
 *
 * Events are lines "GPU TYPE DATA" of the file "events" beside the state file, only ever appended
 * to; an XID 79 of GPU 3 is "3 8 79".
 *
 * Like the real library, nvmlShutdown does not return while a call is stuck in a hung GPU. Built
 * with -DOLD_LIBRARY it lacks what drivers before R470 lack.
 *
 * This file: the library and its handles. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

static atomic_int references;

bool initialised(void) { return atomic_load(&references) > 0; }

/* ---- the library --------------------------------------------------------------------------- */

static bool system_is(const char *key, const char *value) {
  char found[80];
  return text_of(NULL, key, found, sizeof found) && strcmp(found, value) == 0;
}

static bool versions_match(void) {
  char driver[80];
  return text_of(NULL, "driver", driver, sizeof driver) && system_is("nvml", driver);
}

EXPORT Result nvmlInitWithFlags(uint flags) {
  (void)flags;
  while (refresh() && system_is("fault", "hung")) {
    sleep_ms(POLL_MS);
  }
  if (!refresh() || system_is("fault", "broken")) {
    return DRIVER_NOT_LOADED;
  }
  if (!versions_match()) {
    return LIB_RM_VERSION_MISMATCH;
  }
  atomic_fetch_add(&references, 1);
  return SUCCESS;
}

EXPORT Result nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

EXPORT Result nvmlInit(void) { return nvmlInitWithFlags(0); }

EXPORT Result nvmlShutdown(void) {
  if (!initialised()) {
    return UNINITIALIZED;
  }
  while (calls_hung() > 0) {
    sleep_ms(POLL_MS);
  }
  atomic_fetch_sub(&references, 1);
  return SUCCESS;
}

EXPORT const char *nvmlErrorString(Result result) {
  static const struct {
    Result result;
    const char *text;
  } texts[] = {
      {SUCCESS, "Success"},
      {UNINITIALIZED, "Uninitialized"},
      {INVALID_ARGUMENT, "Invalid Argument"},
      {NOT_SUPPORTED, "Not Supported"},
      {NOT_FOUND, "Not Found"},
      {INSUFFICIENT_SIZE, "Insufficient Size"},
      {DRIVER_NOT_LOADED, "Driver Not Loaded"},
      {TIMEOUT, "Timeout"},
      {GPU_IS_LOST, "GPU is lost"},
      {LIB_RM_VERSION_MISMATCH, "Driver/library version mismatch"},
      {ARGUMENT_VERSION_MISMATCH, "Argument version mismatch"},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    if (texts[i].result == result) {
      return texts[i].text;
    }
  }
  return "Unknown Error";
}

static Result give_system(const char *key, const char *prefix, char *out, uint size) {
  char value[80];
  Result result = begin_system();
  if (result != SUCCESS) {
    return result;
  }
  if (!text_of(NULL, key, value, sizeof value)) {
    return NOT_SUPPORTED;
  }
  return (uint)snprintf(out, size, "%s%s", prefix, value) < size ? SUCCESS : INSUFFICIENT_SIZE;
}

EXPORT Result nvmlSystemGetDriverVersion(char *out, uint size) {
  return give_system("driver", "", out, size);
}

EXPORT Result nvmlSystemGetNVMLVersion(char *out, uint size) {
  return give_system("nvml", "13.", out, size);
}

EXPORT Result nvmlSystemGetCudaDriverVersion_v2(int *out) {
  ullong version;
  Result result = begin_system();
  if (result != SUCCESS) {
    return result;
  }
  if (!number_of(NULL, "cuda", &version)) {
    return NOT_SUPPORTED;
  }
  *out = (int)version;
  return SUCCESS;
}

EXPORT Result nvmlSystemGetCudaDriverVersion(int *out) {
  return nvmlSystemGetCudaDriverVersion_v2(out);
}

/* ---- handles ------------------------------------------------------------------------------- */

EXPORT Result nvmlDeviceGetCount_v2(uint *out) {
  Result result = begin_system();
  if (result == SUCCESS) {
    *out = state_gpus();
  }
  return result;
}

EXPORT Result nvmlDeviceGetCount(uint *out) { return nvmlDeviceGetCount_v2(out); }

EXPORT Result nvmlDeviceGetHandleByIndex_v2(uint index, Device *out) {
  Result result = begin_system();
  if (result != SUCCESS) {
    return result;
  }
  if (index >= state_gpus()) {
    return INVALID_ARGUMENT;
  }
  *out = state_device((int)index, WHOLE_GPU);
  return begin(*out, __func__);
}

EXPORT Result nvmlDeviceGetHandleByIndex(uint index, Device *out) {
  return nvmlDeviceGetHandleByIndex_v2(index, out);
}

/* The first device, GPU or instance, that `matches` the word. */
static Result find_device(bool (*matches)(Device, const char *), const char *word, Device *out) {
  Result result = begin_system();
  if (result != SUCCESS) {
    return result;
  }
  for (int gpu = 0; gpu < (int)state_gpus(); gpu++) {
    for (int instance = WHOLE_GPU; instance < MAX_INSTANCES; instance++) {
      *out = state_device(gpu, instance);
      if (matches(*out, word)) {
        return begin(*out, "");
      }
    }
  }
  return NOT_FOUND;
}

static bool has_uuid(Device device, const char *uuid) {
  char own[96];
  return text_of(device, "uuid", own, sizeof own) && strcmp(own, uuid) == 0;
}

EXPORT Result nvmlDeviceGetHandleByUUID(const char *uuid, Device *out) {
  return find_device(has_uuid, uuid, out);
}

static bool has_serial(Device device, const char *serial) {
  char own[96];
  return text_of(device, "serial", own, sizeof own) && strcmp(own, serial) == 0;
}

EXPORT Result nvmlDeviceGetHandleBySerial(const char *serial, Device *out) {
  return find_device(has_serial, serial, out);
}

/* The domain is written with 4 digits or with 8. */
static bool has_address(Device device, const char *address) {
  char own[48];
  uint a[3], b[3];
  return text_of(device, "pci", own, sizeof own) &&
         sscanf(own, "%x:%x:%x", &a[0], &a[1], &a[2]) == 3 &&
         sscanf(address, "%x:%x:%x", &b[0], &b[1], &b[2]) == 3 && memcmp(a, b, sizeof a) == 0;
}

EXPORT Result nvmlDeviceGetHandleByPciBusId_v2(const char *address, Device *out) {
  return find_device(has_address, address, out);
}

EXPORT Result nvmlDeviceGetIndex(Device device, uint *out) {
  Result result = begin(device, __func__);
  if (result == SUCCESS) {
    *out = (uint)device->gpu;
  }
  return result;
}

/* ---- MIG ----------------------------------------------------------------------------------- */

EXPORT Result nvmlDeviceGetMigDeviceHandleByIndex(Device device, uint index, Device *out) {
  char uuid[96];
  Result result = begin(device, __func__);
  if (result != SUCCESS) {
    return result;
  }
  if (index >= MAX_INSTANCES || device->instance != WHOLE_GPU) {
    return INVALID_ARGUMENT;
  }
  *out = state_device(device->gpu, (int)index);
  return text_of(*out, "uuid", uuid, sizeof uuid) ? SUCCESS : NOT_FOUND;
}

EXPORT Result nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device device, Device *out) {
  Result result = begin(device, __func__);
  if (result == SUCCESS) {
    *out = state_device(device->gpu, WHOLE_GPU);
  }
  return result;
}

EXPORT Result nvmlDeviceIsMigDeviceHandle(Device device, uint *out) {
  Result result = begin(device, __func__);
  if (result == SUCCESS) {
    *out = device->instance != WHOLE_GPU;
  }
  return result;
}

/* Only of instances, as on real boards: a whole GPU has no such keys. */
EXPORT Result nvmlDeviceGetAttributes_v2(Device device, Attributes *out) {
  static const char *const keys[] = {
      "attributes.multiprocessors", "attributes.copy_engines", "attributes.decoders",
      "attributes.encoders",        "attributes.jpegs",        "attributes.ofas",
      "attributes.gpu_slices",      "attributes.compute_slices"};
  uint *words = (uint *)out;
  ullong value;
  Result result = give_ullong(device, __func__, "memory.total", &value);
  if (result != SUCCESS) {
    return result;
  }
  out->memory_mib = value >> 20;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    if (!number_of(device, keys[i], &value)) {
      return NOT_SUPPORTED;
    }
    words[i] = (uint)value;
  }
  return SUCCESS;
}

/* The figures of one GPU: tables of functions that answer with one key, then those with more. */
#include <stdio.h>
#include <string.h>

#include "state.h"

/* ---- one number or text, one key ----------------------------------------------------------- */

#define GETTER(give, type, function, key) \
  EXPORT Result function(Device device, type *out) { return give(device, #function, key, out); }
#define UINT(function, key) GETTER(give_uint, uint, function, key)
#define ULLONG(function, key) GETTER(give_ullong, ullong, function, key)
#define TEXT(function, key)                                        \
  EXPORT Result function(Device device, char *out, uint size) {    \
    return give_text(device, #function, key, out, size);           \
  }

TEXT(nvmlDeviceGetName, "name")
TEXT(nvmlDeviceGetUUID, "uuid")
TEXT(nvmlDeviceGetSerial, "serial")
TEXT(nvmlDeviceGetVbiosVersion, "vbios")
TEXT(nvmlDeviceGetBoardPartNumber, "part_number")

UINT(nvmlDeviceGetMinorNumber, "minor")
UINT(nvmlDeviceGetBrand, "brand")
UINT(nvmlDeviceGetArchitecture, "architecture")
UINT(nvmlDeviceGetNumGpuCores, "cores")
UINT(nvmlDeviceGetMemoryBusWidth, "memory_bus_width")
UINT(nvmlDeviceGetDisplayMode, "display.mode")
UINT(nvmlDeviceGetDisplayActive, "display.active")
UINT(nvmlDeviceGetPersistenceMode, "persistence")
UINT(nvmlDeviceGetComputeMode, "compute_mode")
UINT(nvmlDeviceGetPerformanceState, "performance_state")
UINT(nvmlDeviceGetPowerState, "performance_state")
UINT(nvmlDeviceGetPowerUsage, "power")
UINT(nvmlDeviceGetPowerManagementLimit, "power_limit")
UINT(nvmlDeviceGetPowerManagementDefaultLimit, "power_limit.default")
UINT(nvmlDeviceGetEnforcedPowerLimit, "power_limit.enforced")
ULLONG(nvmlDeviceGetTotalEnergyConsumption, "energy")
UINT(nvmlDeviceGetFanSpeed, "fan")
ULLONG(nvmlDeviceGetCurrentClocksThrottleReasons, "throttle")
ULLONG(nvmlDeviceGetSupportedClocksThrottleReasons, "throttle.supported")
UINT(nvmlDeviceGetCurrPcieLinkGeneration, "pcie.generation")
UINT(nvmlDeviceGetCurrPcieLinkWidth, "pcie.width")
UINT(nvmlDeviceGetMaxPcieLinkGeneration, "pcie.generation_max")
UINT(nvmlDeviceGetGpuMaxPcieLinkGeneration, "pcie.generation_max")
UINT(nvmlDeviceGetMaxPcieLinkWidth, "pcie.width_max")
UINT(nvmlDeviceGetPcieReplayCounter, "pcie.replays")
UINT(nvmlDeviceGetDefaultEccMode, "ecc.mode_default")
UINT(nvmlDeviceGetRetiredPagesPendingStatus, "retired.pending")
UINT(nvmlDeviceGetGpuInstanceId, "gpu_instance")
UINT(nvmlDeviceGetComputeInstanceId, "compute_instance")
UINT(nvmlDeviceGetMaxMigDeviceCount, "mig.max")
ULLONG(nvmlDeviceGetSupportedEventTypes, "event_types")
#ifndef OLD_LIBRARY
UINT(nvmlDeviceGetNumFans, "fan.count")
UINT(nvmlDeviceGetNumaNodeId, "numa")
ULLONG(nvmlDeviceGetCurrentClocksEventReasons, "throttle")
ULLONG(nvmlDeviceGetSupportedClocksEventReasons, "throttle.supported")
#endif

/* ---- what exists, but is never supported: programs ask for it all the same ------------------ */

#define NEVER(function) \
  EXPORT Result function(Device device) { \
    Result result = begin(device, #function); \
    return result == SUCCESS ? NOT_SUPPORTED : result; \
  }

NEVER(nvmlDeviceGetDriverModel)
NEVER(nvmlDeviceGetDriverModel_v2)
NEVER(nvmlDeviceGetVirtualizationMode)
NEVER(nvmlDeviceGetGridLicensableFeatures_v4)
NEVER(nvmlDeviceGetConfComputeMemSizeInfo)
NEVER(nvmlDeviceGetRunningProcessDetailList)

/* ---- two numbers --------------------------------------------------------------------------- */

/* Within a call that has begun. */
static Result add_uint(Device device, const char *key, uint *out) {
  ullong wide;
  if (!number_of(device, key, &wide)) {
    return NOT_SUPPORTED;
  }
  *out = (uint)wide;
  return SUCCESS;
}

static Result give_pair(Device device, const char *function, const char *first, uint *out_first,
                        const char *second, uint *out_second) {
  Result result = give_uint(device, function, first, out_first);
  return result == SUCCESS ? add_uint(device, second, out_second) : result;
}

#define PAIR(function, first, second)                                             \
  EXPORT Result function(Device device, uint *out_first, uint *out_second) {      \
    return give_pair(device, #function, first, out_first, second, out_second);    \
  }

PAIR(nvmlDeviceGetPowerManagementLimitConstraints, "power_limit.min", "power_limit.max")
PAIR(nvmlDeviceGetCudaComputeCapability, "capability.major", "capability.minor")
PAIR(nvmlDeviceGetEccMode, "ecc.mode", "ecc.mode_pending")
PAIR(nvmlDeviceGetMigMode, "mig.mode", "mig.mode_pending")

/* ---- one number of a numbered kind --------------------------------------------------------- */

static const char *const sensors[] = {"temperature"};
static const char *const thresholds[] = {"threshold.shutdown", "threshold.slowdown",
                                         "threshold.memory", "threshold.gpu"};
static const char *const clocks[] = {"clock.graphics", "clock.sm", "clock.memory", "clock.video"};
static const char *const max_clocks[] = {"clock_max.graphics", "clock_max.sm", "clock_max.memory",
                                         "clock_max.video"};
static const char *const pcie_counters[] = {"pcie.tx", "pcie.rx"};

#define KINDS(table) table, sizeof(table) / sizeof *(table)

static Result give_kind(Device device, const char *function, const char *const *keys, size_t count,
                        uint kind, uint *out) {
  return kind < count ? give_uint(device, function, keys[kind], out) : INVALID_ARGUMENT;
}

#define OF_KIND(function, table)                                          \
  EXPORT Result function(Device device, uint kind, uint *out) {           \
    return give_kind(device, #function, KINDS(table), kind, out);         \
  }

OF_KIND(nvmlDeviceGetTemperature, sensors)
OF_KIND(nvmlDeviceGetTemperatureThreshold, thresholds)
OF_KIND(nvmlDeviceGetClockInfo, clocks)
OF_KIND(nvmlDeviceGetMaxClockInfo, max_clocks)
OF_KIND(nvmlDeviceGetPcieThroughput, pcie_counters)

#ifndef OLD_LIBRARY
EXPORT Result nvmlDeviceGetTemperatureV(Device device, TemperatureV1 *out) {
  uint celsius;
  if (out->version != VERSION_WORD(TemperatureV1, 1)) {
    return ARGUMENT_VERSION_MISMATCH;
  }
  Result result = give_kind(device, __func__, KINDS(sensors), out->sensor, &celsius);
  if (result == SUCCESS) {
    out->celsius = (int)celsius;
  }
  return result;
}

/* "fan.1" where the fans differ, else "fan". */
EXPORT Result nvmlDeviceGetFanSpeed_v2(Device device, uint fan, uint *out) {
  char key[32];
  ullong fans, own;
  if (number_of(device, "fan.count", &fans) && fan >= fans) {
    return INVALID_ARGUMENT;
  }
  snprintf(key, sizeof key, "fan.%u", fan);
  return give_uint(device, __func__, number_of(device, key, &own) ? key : "fan", out);
}
#endif

/* ---- utilization: not of a GPU that is divided --------------------------------------------- */

static bool divided(Device device) {
  ullong mode;
  return number_of(device, "mig.mode", &mode) && mode;
}

EXPORT Result nvmlDeviceGetUtilizationRates(Device device, Utilization *out) {
  Result result = give_pair(device, __func__, "utilization", &out->gpu, "utilization.memory",
                            &out->memory);
  return result == SUCCESS && divided(device) ? NOT_SUPPORTED : result;
}

#define ENGINE(function, key)                                                     \
  EXPORT Result function(Device device, uint *out, uint *period) {                \
    Result result = give_uint(device, #function, key, out);                       \
    *period = 167000; /* microseconds, what data centre boards answer */          \
    return result == SUCCESS && divided(device) ? NOT_SUPPORTED : result;         \
  }

ENGINE(nvmlDeviceGetEncoderUtilization, "encoder")
ENGINE(nvmlDeviceGetDecoderUtilization, "decoder")
ENGINE(nvmlDeviceGetJpgUtilization, "jpeg")
ENGINE(nvmlDeviceGetOfaUtilization, "ofa")

/* ---- memory -------------------------------------------------------------------------------- */

static Result give_memory(Device device, const char *function, const char *total_key,
                          const char *used_key, Memory *out) {
  Result result = give_ullong(device, function, total_key, &out->total);
  if (result != SUCCESS) {
    return result;
  }
  if (!number_of(device, used_key, &out->used)) {
    return NOT_SUPPORTED;
  }
  out->free = out->total > out->used ? out->total - out->used : 0;
  return SUCCESS;
}

static ullong reserved(Device device) {
  ullong bytes = 0;
  number_of(device, "memory.reserved", &bytes);
  return bytes;
}

/* Version 1 counts what the driver reserves as used, version 2 tells it apart. */
EXPORT Result nvmlDeviceGetMemoryInfo(Device device, Memory *out) {
  Result result = give_memory(device, __func__, "memory.total", "memory.used", out);
  if (result == SUCCESS) {
    ullong kept = reserved(device) < out->free ? reserved(device) : out->free;
    out->used += kept;
    out->free -= kept;
  }
  return result;
}

#ifndef OLD_LIBRARY
EXPORT Result nvmlDeviceGetMemoryInfo_v2(Device device, MemoryV2 *out) {
  Memory plain;
  if (out->version != VERSION_WORD(MemoryV2, 2)) {
    return ARGUMENT_VERSION_MISMATCH;
  }
  Result result = give_memory(device, __func__, "memory.total", "memory.used", &plain);
  if (result == SUCCESS) {
    out->total = plain.total;
    out->used = plain.used;
    out->reserved = reserved(device) < plain.free ? reserved(device) : plain.free;
    out->free = plain.free - out->reserved;
  }
  return result;
}
#endif

/* Its struct has the layout of Memory. */
EXPORT Result nvmlDeviceGetBAR1MemoryInfo(Device device, Memory *out) {
  return give_memory(device, __func__, "bar1.total", "bar1.used", out);
}

/* ---- memory errors ------------------------------------------------------------------------- */

static const char *const error_types[] = {"corrected", "uncorrected"};
static const char *const counters[] = {"volatile", "aggregate"};
static const char *const locations[] = {"l1",  "l2",  "dram", "registers", "texture", "shared",
                                        "cbu", "sram"};

EXPORT Result nvmlDeviceGetTotalEccErrors(Device device, uint type, uint counter, ullong *out) {
  char key[64];
  if (type > 1 || counter > 1) {
    return INVALID_ARGUMENT;
  }
  snprintf(key, sizeof key, "ecc.%s.%s", error_types[type], counters[counter]);
  return give_ullong(device, __func__, key, out);
}

EXPORT Result nvmlDeviceGetMemoryErrorCounter(Device device, uint type, uint counter, uint location,
                                              ullong *out) {
  char key[64];
  if (type > 1 || counter > 1 || location >= sizeof locations / sizeof *locations) {
    return INVALID_ARGUMENT;
  }
  snprintf(key, sizeof key, "ecc.%s.%s.%s", error_types[type], counters[counter],
           locations[location]);
  return give_ullong(device, __func__, key, out);
}

/* The state holds how many; addresses and times are made up. */
static Result give_pages(Device device, const char *function, uint cause, uint *count,
                         ullong *addresses) {
  static const char *const causes[] = {"retired.single", "retired.double"};
  uint pages, room = *count;
  Result result = give_kind(device, function, KINDS(causes), cause, &pages);
  if (result != SUCCESS) {
    return result;
  }
  *count = pages;
  if (pages && (!addresses || room < pages)) {
    return INSUFFICIENT_SIZE;
  }
  for (uint i = 0; i < pages; i++) {
    addresses[i] = 0x10000ull * (i + 1);
  }
  return SUCCESS;
}

EXPORT Result nvmlDeviceGetRetiredPages(Device device, uint cause, uint *count, ullong *addresses) {
  return give_pages(device, __func__, cause, count, addresses);
}

EXPORT Result nvmlDeviceGetRetiredPages_v2(Device device, uint cause, uint *count,
                                           ullong *addresses, ullong *times) {
  Result result = give_pages(device, __func__, cause, count, addresses);
  /* Asked for the count alone, pynvml passes no fifth argument: `times` is then garbage. */
  for (uint i = 0; addresses && result == SUCCESS && i < *count; i++) {
    times[i] = 1700000000000000ull;
  }
  return result;
}

EXPORT Result nvmlDeviceGetRemappedRows(Device device, uint *correctable, uint *uncorrectable,
                                        uint *pending, uint *failed) {
  Result result = give_pair(device, __func__, "remap.correctable", correctable,
                            "remap.uncorrectable", uncorrectable);
  if (result == SUCCESS) {
    result = add_uint(device, "remap.pending", pending);
  }
  return result == SUCCESS ? add_uint(device, "remap.failed", failed) : result;
}

EXPORT Result nvmlDeviceGetRowRemapperHistogram(Device device, RemapHistogram *out) {
  char banks[96];
  Result result = give_text(device, __func__, "remap.histogram", banks, sizeof banks);
  if (result != SUCCESS) {
    return result;
  }
  return sscanf(banks, "%u %u %u %u %u", &out->max, &out->high, &out->partial, &out->low,
                &out->none) == 5
             ? SUCCESS
             : UNKNOWN;
}

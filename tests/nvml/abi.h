/* The part of NVML's binary interface that the stand-in speaks: return codes, struct layouts.
 * Names are ours; numbers, order and widths of fields are NVIDIA's (nvml.h, mirrored by pynvml). */
#ifndef ABI_H
#define ABI_H

#define EXPORT __attribute__((visibility("default")))

typedef unsigned int uint;
typedef unsigned long long ullong;

/* A fixed width, because pynvml hands plain C ints to every function. */
typedef int Result;
enum {
  SUCCESS = 0,
  UNINITIALIZED = 1,
  INVALID_ARGUMENT = 2,
  NOT_SUPPORTED = 3,
  NOT_FOUND = 6,
  INSUFFICIENT_SIZE = 7,
  DRIVER_NOT_LOADED = 9,
  TIMEOUT = 10,
  GPU_IS_LOST = 15,
  LIB_RM_VERSION_MISMATCH = 18,
  ARGUMENT_VERSION_MISMATCH = 25,
  UNKNOWN = 999,
};

typedef struct device *Device;
typedef struct event_set *EventSet;

/* NVML's version words: the struct's size with the version in the top byte. */
#define VERSION_WORD(type, version) ((uint)sizeof(type) | ((version) << 24))
#define LAYOUT(type, size) _Static_assert(sizeof(type) == (size), "layout of " #type)

typedef struct {
  uint gpu, memory;
} Utilization;
LAYOUT(Utilization, 8);

typedef struct {
  ullong total, free, used;
} Memory;
LAYOUT(Memory, 24);

typedef struct {
  uint version;
  ullong total, reserved, free, used;
} MemoryV2;
LAYOUT(MemoryV2, 40);

typedef struct {
  uint version, sensor;
  int celsius;
} TemperatureV1;
LAYOUT(TemperatureV1, 12);

typedef struct {
  char legacy_id[16];
  uint domain, bus, device, device_id, subsystem_id;
  char id[32];
} PciInfo;
LAYOUT(PciInfo, 68);

typedef struct {
  uint pid;
  ullong memory;
  uint gpu_instance, compute_instance;
} ProcessInfo;
LAYOUT(ProcessInfo, 24);

typedef struct {
  uint pid;
  ullong memory;
} ProcessInfoV1;
LAYOUT(ProcessInfoV1, 16);

typedef struct {
  uint pid;
  ullong microseconds;
  uint sm, memory, encoder, decoder;
} ProcessSample;
LAYOUT(ProcessSample, 32);

typedef struct {
  uint multiprocessors, copy_engines, decoders, encoders, jpegs, ofas, gpu_slices, compute_slices;
  ullong memory_mib;
} Attributes;
LAYOUT(Attributes, 40);

typedef struct {
  uint max, high, partial, low, none;
} RemapHistogram;
LAYOUT(RemapHistogram, 20);

typedef struct {
  uint field, scope;
  long long microseconds, latency;
  uint type;
  Result result;
  union {
    uint narrow;
    ullong wide;
  } value;
} FieldValue;
LAYOUT(FieldValue, 40);

typedef struct {
  Device device;
  ullong type, data;
  uint gpu_instance, compute_instance;
} EventData;
LAYOUT(EventData, 32);

#endif

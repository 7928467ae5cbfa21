/* What the state file says, and the faults that it asks for. See standin.c for the file's form. */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "abi.h"

enum { MAX_GPUS = 64, MAX_INSTANCES = 8, MAX_TEXT = 8192, POLL_MS = 50, WHOLE_GPU = -1 };

/* What a handle points to: a GPU, or one MIG instance of it. */
struct device {
  int gpu;
  int instance;
};

/* Reads the file again if it was replaced; false when there never was one to read. Lookups do not
 * look at the file: each call does so once, as it begins. */
bool refresh(void);
uint state_gpus(void);
const char *state_path(void);

Device state_device(int gpu, int instance);

/* Begins a call of the library as a whole. */
Result begin_system(void);

/* Begins a call for one device: waits out a hang, sleeps if slow, and answers what the GPU's faults
 * make of the call. */
Result begin(Device device, const char *function);

/* The GPU's fault is this one: "lost" or "hung". */
bool fault_is(Device device, const char *name);

/* The GPU's list of unsupported names has this key or function, or a key above it. */
bool hidden(Device device, const char *name);

/* Calls that wait inside a hung GPU now; the driver cannot be shut down under them. */
int calls_hung(void);

/* Lookups. The whole section "system" is asked for by a null device. */
bool text_of(Device device, const char *key, char *out, size_t size);
bool number_of(Device device, const char *key, ullong *out);

/* Lookups that answer as a getter: NOT_SUPPORTED where the state has no such key. */
Result give_uint(Device device, const char *function, const char *key, uint *out);
Result give_ullong(Device device, const char *function, const char *key, ullong *out);
Result give_text(Device device, const char *function, const char *key, char *out, uint size);

void sleep_ms(uint milliseconds);

/* Since 1970. */
ullong microseconds_now(void);

/* The library is between nvmlInit and nvmlShutdown. */
bool initialised(void);

#endif

/* What a GPU is connected to: PCI, NVLink, other GPUs and CPUs; and the field values. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* ---- PCI ----------------------------------------------------------------------------------- */

static bool fill_pci(const char *address, PciInfo *out) {
  uint function;
  memset(out, 0, sizeof *out);
  if (sscanf(address, "%x:%x:%x.%x", &out->domain, &out->bus, &out->device, &function) != 4) {
    return false;
  }
  snprintf(out->id, sizeof out->id, "%08X:%02X:%02X.%u", out->domain, out->bus & 0xFF,
           out->device & 0xFF, function);
  snprintf(out->legacy_id, sizeof out->legacy_id, "%04X:%02X:%02X.%u", out->domain & 0xFFFF,
           out->bus & 0xFF, out->device & 0xFF, function & 7);
  return true;
}

EXPORT Result nvmlDeviceGetPciInfo_v3(Device device, PciInfo *out) {
  char address[48];
  ullong id = 0, subsystem = 0;
  Result result = give_text(device, __func__, "pci", address, sizeof address);
  if (result != SUCCESS) {
    return result;
  }
  if (!fill_pci(address, out)) {
    return UNKNOWN;
  }
  number_of(device, "pci.device_id", &id);
  number_of(device, "pci.subsystem_id", &subsystem);
  out->device_id = (uint)id;
  out->subsystem_id = (uint)subsystem;
  return SUCCESS;
}

/* ---- NVLink -------------------------------------------------------------------------------- */

/* A link's own key, such as "nvlink.3.state", else the one for all links, "nvlink.state". */
static const char *link_key(Device device, uint link, const char *name, char *key, size_t size) {
  char value[64];
  snprintf(key, size, "nvlink.%u.%s", link, name);
  if (!text_of(device, key, value, sizeof value)) {
    snprintf(key, size, "nvlink.%s", name);
  }
  return key;
}

static Result begin_link(Device device, const char *function, uint link) {
  ullong links;
  Result result = begin(device, function);
  if (result != SUCCESS) {
    return result;
  }
  if (!number_of(device, "nvlink.links", &links)) {
    return NOT_SUPPORTED;
  }
  return link < links ? SUCCESS : INVALID_ARGUMENT;
}

static Result give_link(Device device, const char *function, uint link, const char *name,
                        ullong *out) {
  char key[64];
  Result result = begin_link(device, function, link);
  if (result != SUCCESS) {
    return result;
  }
  return number_of(device, link_key(device, link, name, key, sizeof key), out) ? SUCCESS
                                                                               : NOT_SUPPORTED;
}

#define LINK(function, name)                                                   \
  EXPORT Result function(Device device, uint link, uint *out) {                \
    ullong wide;                                                               \
    Result result = give_link(device, #function, link, name, &wide);           \
    if (result == SUCCESS) {                                                   \
      *out = (uint)wide;                                                       \
    }                                                                          \
    return result;                                                             \
  }

LINK(nvmlDeviceGetNvLinkState, "state")
LINK(nvmlDeviceGetNvLinkVersion, "version")
LINK(nvmlDeviceGetNvLinkRemoteDeviceType, "remote_type")

EXPORT Result nvmlDeviceGetNvLinkErrorCounter(Device device, uint link, uint counter, ullong *out) {
  static const char *const counters[] = {"replay", "recovery", "crc_flit", "crc_data", "ecc_data"};
  if (counter >= sizeof counters / sizeof *counters) {
    return INVALID_ARGUMENT;
  }
  return give_link(device, __func__, link, counters[counter], out);
}

EXPORT Result nvmlDeviceGetNvLinkRemotePciInfo_v2(Device device, uint link, PciInfo *out) {
  char key[64], address[48];
  Result result = begin_link(device, __func__, link);
  if (result != SUCCESS) {
    return result;
  }
  link_key(device, link, "remote", key, sizeof key);
  if (!text_of(device, key, address, sizeof address)) {
    return NOT_SUPPORTED;
  }
  return fill_pci(address, out) ? SUCCESS : UNKNOWN;
}

/* ---- field values -------------------------------------------------------------------------- */

typedef enum { NARROW = 1, WIDE = 3 } ValueType; /* unsigned int, unsigned long long */
typedef enum { OF_GPU, SHARE_OF_LINK, SUM_OF_LINKS } Span;

typedef struct {
  uint field;
  ValueType type;
  Span span;
  const char *key; /* for SUM_OF_LINKS, of a link */
} Field;

static const Field fields[] = {
    {38, WIDE, SUM_OF_LINKS, "crc_flit"},
    {45, WIDE, SUM_OF_LINKS, "crc_data"},
    {52, WIDE, SUM_OF_LINKS, "replay"},
    {59, WIDE, SUM_OF_LINKS, "recovery"},
    {160, WIDE, SUM_OF_LINKS, "ecc_data"},
    {82, NARROW, OF_GPU, "temperature.memory"},
    {83, WIDE, OF_GPU, "energy"},
    {90, NARROW, OF_GPU, "nvlink.speed"},
    {91, NARROW, OF_GPU, "nvlink.links"},
    {138, WIDE, SHARE_OF_LINK, "nvlink.tx"},
    {139, WIDE, SHARE_OF_LINK, "nvlink.rx"},
    {142, NARROW, OF_GPU, "remap.correctable"},
    {143, NARROW, OF_GPU, "remap.uncorrectable"},
    {144, NARROW, OF_GPU, "remap.pending"},
    {145, NARROW, OF_GPU, "remap.failed"},
    {185, NARROW, OF_GPU, "power"},
    {186, NARROW, OF_GPU, "power"},
    {187, NARROW, OF_GPU, "power_limit.min"},
    {188, NARROW, OF_GPU, "power_limit.max"},
    {189, NARROW, OF_GPU, "power_limit.default"},
    {190, NARROW, OF_GPU, "power_limit.enforced"},
    {192, NARROW, OF_GPU, "power_limit"},
};

static const Field *field_of(uint id) {
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (fields[i].field == id) {
      return &fields[i];
    }
  }
  return NULL;
}

static bool sum_of_links(Device device, const char *name, ullong *out) {
  ullong links, one;
  char key[64];
  if (!number_of(device, "nvlink.links", &links)) {
    return false;
  }
  *out = 0;
  for (uint link = 0; link < links; link++) {
    if (!number_of(device, link_key(device, link, name, key, sizeof key), &one)) {
      return false;
    }
    *out += one;
  }
  return true;
}

/* The throughput of one link (the scope) is its share of the GPU's; UINT_MAX means all of them. */
static bool share_of_link(Device device, const char *key, uint scope, ullong *out) {
  ullong links;
  if (!number_of(device, "nvlink.links", &links) || !number_of(device, key, out)) {
    return false;
  }
  if (scope < links) {
    *out /= links;
  }
  return scope < links || scope == ~0u;
}

static bool field_value(Device device, const Field *field, uint scope, ullong *out) {
  switch (field->span) {
    case SUM_OF_LINKS:
      return sum_of_links(device, field->key, out);
    case SHARE_OF_LINK:
      return share_of_link(device, field->key, scope, out);
    default:
      return number_of(device, field->key, out);
  }
}

EXPORT Result nvmlDeviceGetFieldValues(Device device, int count, FieldValue *values) {
  Result result = begin(device, __func__);
  for (int i = 0; result == SUCCESS && i < count; i++) {
    const Field *field = field_of(values[i].field);
    ullong wide = 0;
    bool known = field && field_value(device, field, values[i].scope, &wide);
    values[i].microseconds = (long long)microseconds_now();
    values[i].latency = 0;
    values[i].type = field ? field->type : 0;
    values[i].result = known ? SUCCESS : NOT_SUPPORTED;
    values[i].value.wide = wide;
  }
  return result;
}

/* ---- other GPUs, CPUs ---------------------------------------------------------------------- */

enum { SAME_BOARD = 0, SAME_NODE = 40, WHOLE_SYSTEM = 50 };

EXPORT Result nvmlDeviceGetTopologyCommonAncestor(Device device, Device other, uint *out) {
  ullong numa, other_numa;
  Result result = give_ullong(device, __func__, "numa", &numa);
  if (result != SUCCESS) {
    return result;
  }
  result = give_ullong(other, __func__, "numa", &other_numa);
  if (result == SUCCESS) {
    *out = device->gpu == other->gpu ? SAME_BOARD : numa == other_numa ? SAME_NODE : WHOLE_SYSTEM;
  }
  return result;
}

EXPORT Result nvmlDeviceGetP2PStatus(Device device, Device other, uint capability, uint *out) {
  (void)capability;
  Result result = begin(device, __func__);
  if (result == SUCCESS) {
    *out = 0; /* NVML_P2P_STATUS_OK */
    result = begin(other, __func__);
  }
  return result;
}

/* "0-55,112" as bits, 64 to a word. */
static void set_cpus(const char *ranges, uint words, unsigned long *mask) {
  memset(mask, 0, words * sizeof *mask);
  for (const char *at = ranges; *at;) {
    char *end;
    unsigned long first = strtoul(at, &end, 10), last = first;
    if (*end == '-') {
      last = strtoul(end + 1, &end, 10);
    }
    for (unsigned long cpu = first; cpu <= last && cpu < words * 64ul; cpu++) {
      mask[cpu / 64] |= 1ul << (cpu % 64);
    }
    at = *end ? end + 1 : end;
  }
}

EXPORT Result nvmlDeviceGetCpuAffinity(Device device, uint words, unsigned long *mask) {
  char ranges[256];
  Result result = give_text(device, __func__, "cpus", ranges, sizeof ranges);
  if (result == SUCCESS) {
    set_cpus(ranges, words, mask);
  }
  return result;
}

EXPORT Result nvmlDeviceGetCpuAffinityWithinScope(Device device, uint words, unsigned long *mask,
                                                  uint scope) {
  (void)scope;
  return nvmlDeviceGetCpuAffinity(device, words, mask);
}

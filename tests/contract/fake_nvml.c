/* A libnvidia-ml.so.1 for tests. What it shows is read, at every call, from the file that
 * $NVINX_FAKE_NVML names (no file: the driver is not loaded):
 *
 *   gpu <device> <uuid> <total bytes> <reserved bytes> <bytes used by no listed process>
 *   mig <device> <parent>                    this device is a MIG device of that GPU
 *   slice <device> <multiprocessors>         what this MIG device has of its GPU
 *   migmode <device>                         MIG mode is on, with or without MIG devices
 *   card <device> <cores> <major> <minor> <busy %> <mW> <MHz> <degrees>    what it is and does
 *   modes <device> <persistence> <accounting>    each 0 or 1
 *   near <device> <device> <level>          their common ancestor, 50 (the machine) by default
 *   linked <device> <device>                an NVLink between them
 *   proc <device> <pid> <bytes, -1: hidden> <C, G or CG>
 *   fails <function> <device, -1: all> <NVML error code>
 *
 * As in the driver, only a process that has opened it more often than closed gets answers.
 * With -DOLD_DRIVER the functions that older drivers lack are not there.
 * Structures and codes follow NVIDIA's nvml.h, NVML API version 12.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICES = 16, PROCESSES = 64, FAILURES = 32 };
enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
       INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9 };

typedef unsigned long long bytes;
typedef struct { bytes total, free, used; } memory;
typedef struct { unsigned version; bytes total, reserved, free, used; } memory_v2;
typedef struct { unsigned gpu, memory; } utilisation;
typedef struct { unsigned multiprocessors, engines_and_slices[7]; bytes mib; } attributes;
typedef struct { unsigned pid; bytes used; unsigned gpu_instance, compute_instance; } process_info;

static struct { char uuid[96]; bytes total, reserved, other; int there, mig, parent;
    unsigned slice, cores, busy, power, clock, degrees, persists, accounts;
    int major, minor; } device[DEVICES];
static struct { int device; unsigned pid; long long used; char kinds[4]; } process[PROCESSES];
static struct { char function[64]; int device, code; } failure[FAILURES];
static int near[DEVICES][DEVICES], linked[DEVICES][DEVICES];
static int processes, failures, opened;

static void read_line(const char *line)
{
    int d, other, code;
    unsigned pid, second;
    long long used;
    bytes total, reserved, rest;
    char word[96];
    if (sscanf(line, "gpu %d %95s %llu %llu %llu", &d, word, &total, &reserved, &rest) == 5) {
        strcpy(device[d].uuid, word);
        device[d].total = total, device[d].reserved = reserved, device[d].other = rest;
        device[d].there = 1, device[d].parent = -1;
    } else if (sscanf(line, "mig %d %d", &d, &other) == 2) {
        device[d].parent = other, device[other].mig = 1;
    } else if (sscanf(line, "slice %d %u", &d, &pid) == 2) {
        device[d].slice = pid;
    } else if (sscanf(line, "migmode %d", &d) == 1) {
        device[d].mig = 1;
    } else if (sscanf(line, "card %d", &d) == 1) {
        sscanf(line, "card %*d %u %d %d %u %u %u %u", &device[d].cores, &device[d].major,
               &device[d].minor, &device[d].busy, &device[d].power, &device[d].clock,
               &device[d].degrees);
    } else if (sscanf(line, "modes %d %u %u", &d, &pid, &second) == 3) {
        device[d].persists = pid, device[d].accounts = second;
    } else if (sscanf(line, "near %d %d %d", &d, &other, &code) == 3) {
        near[d][other] = near[other][d] = code;
    } else if (sscanf(line, "linked %d %d", &d, &other) == 2) {
        linked[d][other] = linked[other][d] = 1;
    } else if (sscanf(line, "proc %d %u %lld %3s", &d, &pid, &used, word) == 4) {
        process[processes].device = d, process[processes].pid = pid;
        process[processes].used = used, strcpy(process[processes++].kinds, word);
    } else if (sscanf(line, "fails %63s %d %d", word, &d, &code) == 3) {
        strcpy(failure[failures].function, word);
        failure[failures].device = d, failure[failures++].code = code;
    }
}

/* Reads the file anew; what `function` has to return for this device, SUCCESS to go on. */
static int ask(const char *function, int d)
{
    const char *path = getenv("NVINX_FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[256];
    if (!file) return DRIVER_NOT_LOADED;
    memset(device, 0, sizeof device);
    memset(near, 0, sizeof near), memset(linked, 0, sizeof linked);
    processes = failures = 0;
    while (fgets(line, sizeof line, file)) read_line(line);
    fclose(file);
    for (int i = 0; i < failures; i++)
        if (!strcmp(failure[i].function, function) && (failure[i].device == d || failure[i].device < 0))
            return failure[i].code;
    if (!opened && strcmp(function, "nvmlInitWithFlags")) return UNINITIALIZED;
    return d < 0 || (d < DEVICES && device[d].there) ? SUCCESS : INVALID_ARGUMENT;
}

#define NUMBER(handle) ((int)(long)(handle) - 1)
#define HANDLE(number) ((void *)(long)((number) + 1))
#define ASK(d) { int code = ask(__func__, d); if (code) return code; }

static bytes used_of(int d)
{
    bytes sum = device[d].other;
    for (int i = 0; i < processes; i++)
        if (process[i].device == d && process[i].used > 0) sum += (bytes)process[i].used;
    return sum;
}

static int list(int d, char kind, unsigned *count, process_info *infos)
{
    unsigned n = 0;
    for (int i = 0; i < processes; i++) {
        if (process[i].device != d || !strchr(process[i].kinds, kind)) continue;
        if (infos && n < *count) {
            infos[n].pid = process[i].pid, infos[n].used = (bytes)process[i].used;
            infos[n].gpu_instance = infos[n].compute_instance = 0xffffffff;
        }
        n++;
    }
    int short_of = n > *count;
    *count = n;
    return short_of ? INSUFFICIENT_SIZE : SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; ASK(-1) opened++; return SUCCESS; }
int nvmlShutdown(void) { ASK(-1) opened--; return SUCCESS; }
const char *nvmlErrorString(int code) { (void)code; return "a failure that has no name"; }

int nvmlDeviceGetCount_v2(unsigned *count)
{
    ASK(-1)
    *count = 0;
    for (int d = 0; d < DEVICES; d++) *count += device[d].there && device[d].parent < 0;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle)
{
    ASK((int)index)
    *handle = HANDLE(index);
    return SUCCESS;
}

int nvmlDeviceGetUUID(void *handle, char *text, unsigned size)
{
    ASK(NUMBER(handle))
    snprintf(text, size, "%s", device[NUMBER(handle)].uuid);
    return SUCCESS;
}

int nvmlDeviceGetName(void *handle, char *text, unsigned size)
{
    ASK(NUMBER(handle))
    snprintf(text, size, "Test card %d", NUMBER(handle));
    return SUCCESS;
}

int nvmlSystemGetDriverVersion(char *text, unsigned size)
{
    ASK(-1)
    snprintf(text, size, "580.65.06");
    return SUCCESS;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle)
{
    ASK(-1)
    for (int d = 0; d < DEVICES; d++)
        if (device[d].there && !strcmp(device[d].uuid, uuid)) {
            *handle = HANDLE(d);
            return SUCCESS;
        }
    return NOT_FOUND;
}

int nvmlDeviceGetTopologyCommonAncestor(void *one, void *other, unsigned *level)
{
    ASK(NUMBER(one))
    *level = near[NUMBER(one)][NUMBER(other)] ? near[NUMBER(one)][NUMBER(other)] : 50;
    return SUCCESS;
}

/* 2 asks for NVLink; 0 says that it is there, 1 that it is not. */
int nvmlDeviceGetP2PStatus(void *one, void *other, unsigned index, unsigned *status)
{
    ASK(NUMBER(one))
    *status = !(index == 2 && linked[NUMBER(one)][NUMBER(other)]);
    return SUCCESS;
}

int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor)
{
    ASK(NUMBER(handle))
    *major = device[NUMBER(handle)].major, *minor = device[NUMBER(handle)].minor;
    return SUCCESS;
}

#define NUMBER_OF(name, field) \
    int name(void *handle, unsigned *value) \
    { ASK(NUMBER(handle)) *value = device[NUMBER(handle)].field; return SUCCESS; }
#define NUMBER_OF_KIND(name, field) \
    int name(void *handle, unsigned kind, unsigned *value) \
    { (void)kind; ASK(NUMBER(handle)) *value = device[NUMBER(handle)].field; return SUCCESS; }

NUMBER_OF(nvmlDeviceGetNumGpuCores, cores)
NUMBER_OF(nvmlDeviceGetPowerUsage, power)
NUMBER_OF(nvmlDeviceGetEnforcedPowerLimit, power)
NUMBER_OF(nvmlDeviceGetPersistenceMode, persists)
NUMBER_OF(nvmlDeviceGetAccountingMode, accounts)
NUMBER_OF_KIND(nvmlDeviceGetClockInfo, clock)
NUMBER_OF_KIND(nvmlDeviceGetMaxClockInfo, clock)
NUMBER_OF_KIND(nvmlDeviceGetTemperature, degrees)

int nvmlDeviceGetUtilizationRates(void *handle, utilisation *rates)
{
    ASK(NUMBER(handle))
    rates->gpu = device[NUMBER(handle)].busy, rates->memory = 0;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(void *handle, memory *info)
{
    int d = NUMBER(handle);
    ASK(d)
    info->total = device[d].total, info->used = used_of(d) + device[d].reserved;
    info->free = info->total - info->used;
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v2(void *handle, unsigned *count, process_info *infos)
{
    ASK(NUMBER(handle))
    return list(NUMBER(handle), 'C', count, infos);
}

int nvmlDeviceGetGraphicsRunningProcesses_v2(void *handle, unsigned *count, process_info *infos)
{
    ASK(NUMBER(handle))
    return list(NUMBER(handle), 'G', count, infos);
}

#ifndef OLD_DRIVER
int nvmlDeviceGetMemoryInfo_v2(void *handle, memory_v2 *info)
{
    int d = NUMBER(handle);
    ASK(d)
    info->total = device[d].total, info->reserved = device[d].reserved, info->used = used_of(d);
    info->free = info->total - info->reserved - info->used;
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, process_info *infos)
{
    ASK(NUMBER(handle))
    return list(NUMBER(handle), 'C', count, infos);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *count, process_info *infos)
{
    ASK(NUMBER(handle))
    return list(NUMBER(handle), 'G', count, infos);
}

int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending)
{
    ASK(NUMBER(handle))
    *current = *pending = (unsigned)device[NUMBER(handle)].mig;
    return SUCCESS;
}

int nvmlDeviceGetAttributes_v2(void *handle, attributes *all)
{
    ASK(NUMBER(handle))
    if (device[NUMBER(handle)].parent < 0) return NOT_SUPPORTED;
    memset(all, 0, sizeof *all);
    all->multiprocessors = device[NUMBER(handle)].slice;
    return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count)
{
    ASK(NUMBER(handle))
    *count = 7;
    return SUCCESS;
}

/* Slot 0 stays empty, as slots do on a card after a MIG device was taken away. */
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **mig)
{
    ASK(NUMBER(handle))
    for (int d = 0, slot = 1; d < DEVICES; d++)
        if (device[d].there && device[d].parent == NUMBER(handle) && (unsigned)slot++ == index) {
            *mig = HANDLE(d);
            return SUCCESS;
        }
    return NOT_FOUND;
}
#endif

/* A libcuda.so.1 for tests: one card of $FAKE_CUDA_MIB MiB (256 by default) that is made of RAM,
 * for each process its own. Names, arguments and codes follow NVIDIA's cuda.h.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2 };
enum { PIECES = 4096 };

static struct { void *at; size_t size; } piece[PIECES];
static size_t used;

static size_t total(void)
{
    const char *mib = getenv("FAKE_CUDA_MIB");
    return (size_t)(mib ? atol(mib) : 256) << 20;
}

int cuInit(unsigned flags) { return flags ? INVALID_VALUE : SUCCESS; }
int cuDriverGetVersion(int *version) { return *version = 13020, SUCCESS; }
int cuDeviceGet(int *device, int number) { return *device = number, SUCCESS; }
int cuDevicePrimaryCtxRetain(void **context, int device)
{
    return *context = &used, device ? INVALID_VALUE : SUCCESS;
}
int cuCtxSetCurrent(void *context) { return context == &used ? SUCCESS : INVALID_VALUE; }
int cuCtxSynchronize(void) { return SUCCESS; }

int cuMemGetInfo_v2(size_t *free_bytes, size_t *all)
{
    return *all = total(), *free_bytes = total() - used, SUCCESS;
}

int cuMemAlloc_v2(uint64_t *address, size_t size)
{
    if (used + size > total()) return OUT_OF_MEMORY;
    for (int i = 0; i < PIECES; i++)
        if (!piece[i].at) {
            piece[i].at = malloc(size), piece[i].size = size, used += size;
            return *address = (uint64_t)(uintptr_t)piece[i].at, SUCCESS;
        }
    return OUT_OF_MEMORY;
}

int cuMemFree_v2(uint64_t address)
{
    for (int i = 0; i < PIECES; i++)
        if (piece[i].at == (void *)(uintptr_t)address) {
            used -= piece[i].size, free(piece[i].at), piece[i].at = NULL;
            return SUCCESS;
        }
    return INVALID_VALUE;
}

int cuMemHostAlloc(void **at, size_t size, unsigned flags)
{
    return *at = malloc(size), flags ? INVALID_VALUE : SUCCESS;
}
int cuMemFreeHost(void *at) { return free(at), SUCCESS; }
int cuMemcpyHtoD_v2(uint64_t card, const void *host, size_t size)
{
    return memcpy((void *)(uintptr_t)card, host, size), SUCCESS;
}
int cuMemcpyDtoH_v2(void *host, uint64_t card, size_t size)
{
    return memcpy(host, (void *)(uintptr_t)card, size), SUCCESS;
}

int cuGetErrorName(int code, const char **name)
{
    *name = code == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_INVALID_VALUE";
    return SUCCESS;
}

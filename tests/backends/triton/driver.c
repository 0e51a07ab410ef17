// A CUDA driver without a GPU: Triton's own launcher runs on it, and what it launches is written down.
#include <stddef.h>
#include <stdint.h>

typedef struct {
  unsigned gx, gy, gz, bx, by, bz, shared;
  void *stream, *attributes;
  unsigned count;
} Config;

enum { LAUNCHES = 64, ARGUMENTS = 24 };
unsigned driver_launches = 0;
Config driver_configs[LAUNCHES];
uint64_t driver_arguments[LAUNCHES][ARGUMENTS];
unsigned driver_count[LAUNCHES];
int driver_spills = 0;

int cuInit(unsigned flags) { return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGet(int *device, int number) { *device = 0; return 0; }
int cuCtxGetCurrent(void **context) { *context = (void *)1; return 0; }
int cuCtxSetCurrent(void *context) { return 0; }
int cuCtxGetDevice(int *device) { *device = 0; return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = (void *)1; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  switch (attribute) {
    case 75: *value = 9; break;            // compute capability
    case 76: *value = 0; break;
    case 97: *value = 232448; break;       // shared memory of a program, at most
    case 8: *value = 49152; break;
    case 12: case 82: *value = 65536; break;
    case 16: *value = 132; break;
    case 10: *value = 32; break;
    case 39: *value = 2048; break;
    default: *value = 1024;
  }
  return 0;
}
int cuGetErrorString(int error, const char **text) { *text = "an error of the driver"; return 0; }
int cuModuleLoadData(void **module, const void *image) { *module = (void *)2; return 0; }
int cuModuleUnload(void *module) { return 0; }
int cuModuleGetFunction(void **function, void *module, const char *name) { *function = (void *)3; return 0; }
int cuFuncGetAttribute(int *value, int attribute, void *function) {
  *value = attribute == 0 ? 1024 : attribute == 4 ? 32 : attribute == 3 ? driver_spills : 0;
  return 0;
}
int cuFuncSetAttribute(void *function, int attribute, int value) { return 0; }
int cuFuncSetCacheConfig(void *function, int config) { return 0; }
int cuCtxSetLimit(int limit, size_t value) { return 0; }
int cuCtxGetLimit(size_t *value, int limit) { *value = 0; return 0; }
int cuStreamIsCapturing(void *stream, int *capturing) { *capturing = 0; return 0; }
int cuOccupancyMaxActiveClusters(int *count, void *function, void *config) { *count = 1; return 0; }
int cuPointerGetAttribute(void *data, int attribute, uint64_t pointer) { *(uint64_t *)data = pointer; return 0; }
int cuPointerGetAttributes(unsigned count, int *attributes, void **data, uint64_t pointer) { return 0; }
int cuTensorMapEncodeTiled(void) { return 0; }
int cuTensorMapEncodeIm2col(void) { return 0; }
int cuLaunchHostFunc(void) { return 0; }
int cuLaunchKernelEx(const Config *config, void *function, void **parameters, void **extra) {
  unsigned n = driver_launches++ % LAUNCHES;
  driver_configs[n] = *config;
  for (unsigned k = 0; k < driver_count[n] && k < ARGUMENTS; k++) driver_arguments[n][k] = *(uint64_t *)parameters[k];
  return 0;
}

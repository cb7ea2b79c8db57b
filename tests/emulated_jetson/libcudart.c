/* A stand-in of libcudart on host memory, with the calls that running an engine takes.

   Device memory is malloc'ed, and a copy of what does not lie in it is refused. Streams do their work when it is
   enqueued; while one is captured, copies and launches are written down instead and done by cudaGraphLaunch. An
   event is the monotonic clock.

   EMULATED_OUT_OF_MEMORY=n       the n-th allocation (device or host, from 1 on) fails, as do later ones
   EMULATED_FREE_BYTES=n          what cudaMemGetInfo starts from (half of the total unless told)
   EMULATED_TOTAL_BYTES=n         4156030976 unless told
   EMULATED_GPU="NVIDIA Tegra X1" the name
   EMULATED_GPU_SM=5.3            the compute capability
   EMULATED_CUDA_VERSION=10020    what cudaRuntimeGetVersion says
   EMULATED_DRIVER_VERSION=10020  what cudaDriverGetVersion says; the same unless told
   EMULATED_NO_DEVICE=1           there is no GPU
   EMULATED_SYNC_FAILS=n          the n-th cudaStreamSynchronize (from 1 on) gives 719, as do all calls after it */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int cudaError_t;
enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_DEVICE = 101,
       INVALID_HANDLE = 400, NOT_READY = 600, LAUNCH_FAILURE = 719, CAPTURE_UNSUPPORTED = 900 };
enum { HOST_TO_HOST, HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE, DEFAULT };

int edgeshrink_emulated = 1;

typedef void (*work)(void *);
typedef struct block { char *start; size_t size; int host; struct block *next; } block;
typedef struct step { work call; void *to; const void *from; size_t size; int kind; struct step *next; } step;
typedef struct { step *first, *last; } graph;
typedef struct { graph *capturing; } stream;
typedef struct { struct timespec when; int recorded, timing; } event;

static block *blocks;
static size_t allocated;
static int sticky, last;
static long allocations, synchronizations;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text && *text ? atol(text) : otherwise;
}

static cudaError_t give(cudaError_t error) {
    if (sticky) error = sticky;
    if (error) last = error;
    return error;
}

int edgeshrink_emulated_covers(const void *address, size_t size) {
    const char *from = address;
    int found = 0;
    pthread_mutex_lock(&lock);
    for (block *each = blocks; each && !found; each = each->next)
        found = !each->host && each->start <= from && from + size <= each->start + each->size;
    pthread_mutex_unlock(&lock);
    return found;
}

static cudaError_t allocate(void **made, size_t size, int host) {
    long fails = number("EMULATED_OUT_OF_MEMORY", 0);
    block *each;
    if (!made) return give(INVALID_VALUE);
    *made = NULL;
    if (number("EMULATED_NO_DEVICE", 0)) return give(NO_DEVICE);
    allocations++;
    if (fails && allocations >= fails) return give(OUT_OF_MEMORY);
    if (sticky) return give(sticky);
    if (!size) return OK;
    each = malloc(sizeof *each);
    if (!each || posix_memalign((void **)&each->start, 256, size)) { free(each); return give(OUT_OF_MEMORY); }
    each->size = size;
    each->host = host;
    pthread_mutex_lock(&lock);
    each->next = blocks;
    blocks = each;
    allocated += size;
    pthread_mutex_unlock(&lock);
    *made = each->start;
    return OK;
}

static cudaError_t release(void *address, int host) {
    block **link, *found;
    if (!address) return give(OK);
    pthread_mutex_lock(&lock);
    for (link = &blocks; *link && ((*link)->start != address || (*link)->host != host); link = &(*link)->next);
    found = *link;
    if (found) { *link = found->next; allocated -= found->size; }
    pthread_mutex_unlock(&lock);
    if (!found) return give(INVALID_VALUE);
    free(found->start);
    free(found);
    return give(OK);
}

cudaError_t cudaMalloc(void **made, size_t size) { return allocate(made, size, 0); }
cudaError_t cudaFree(void *address) { return release(address, 0); }
cudaError_t cudaMallocHost(void **made, size_t size) { return allocate(made, size, 1); }
cudaError_t cudaHostAlloc(void **made, size_t size, unsigned flags) { (void)flags; return allocate(made, size, 1); }
cudaError_t cudaFreeHost(void *address) { return release(address, 1); }

static cudaError_t copy(void *to, const void *from, size_t size, int kind) {
    int to_device = kind == HOST_TO_DEVICE || kind == DEVICE_TO_DEVICE;
    int from_device = kind == DEVICE_TO_HOST || kind == DEVICE_TO_DEVICE;
    if (kind < HOST_TO_HOST || kind > DEFAULT || !to || !from) return give(INVALID_VALUE);
    if (to_device && !edgeshrink_emulated_covers(to, size)) return give(INVALID_VALUE);
    if (from_device && !edgeshrink_emulated_covers(from, size)) return give(INVALID_VALUE);
    if (!sticky) memmove(to, from, size);
    return give(OK);
}

static cudaError_t write_down(stream *on, step what) {
    step *made = malloc(sizeof *made);
    if (!made) return give(OUT_OF_MEMORY);
    *made = what;
    made->next = NULL;
    if (on->capturing->last) on->capturing->last->next = made; else on->capturing->first = made;
    on->capturing->last = made;
    return give(OK);
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t size, int kind) { return copy(to, from, size, kind); }

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, stream *on) {
    if (on && on->capturing) return write_down(on, (step){NULL, to, from, size, kind, NULL});
    return copy(to, from, size, kind);
}

cudaError_t cudaMemset(void *to, int value, size_t size) {
    if (!edgeshrink_emulated_covers(to, size)) return give(INVALID_VALUE);
    memset(to, value, size);
    return give(OK);
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t size, stream *on) {
    if (on && on->capturing) return give(CAPTURE_UNSUPPORTED);
    return cudaMemset(to, value, size);
}

cudaError_t cudaMemGetInfo(size_t *unused, size_t *total) {
    *total = number("EMULATED_TOTAL_BYTES", 4156030976L);
    *unused = number("EMULATED_FREE_BYTES", *total / 2);
    *unused = *unused > allocated ? *unused - allocated : 0;
    return give(OK);
}

cudaError_t cudaStreamCreate(stream **made) { return (*made = calloc(1, sizeof **made)) ? give(OK) : give(OUT_OF_MEMORY); }
cudaError_t cudaStreamCreateWithFlags(stream **made, unsigned flags) { (void)flags; return cudaStreamCreate(made); }
cudaError_t cudaStreamDestroy(stream *on) { if (!on) return give(INVALID_HANDLE); free(on); return give(OK); }
cudaError_t cudaStreamQuery(stream *on) { (void)on; return give(OK); }

cudaError_t cudaStreamSynchronize(stream *on) {
    long fails = number("EMULATED_SYNC_FAILS", 0);
    if (on && on->capturing) return give(CAPTURE_UNSUPPORTED);
    if (fails && ++synchronizations >= fails) sticky = LAUNCH_FAILURE;
    return give(OK);
}

cudaError_t cudaDeviceSynchronize(void) { return give(OK); }

cudaError_t cudaStreamWaitEvent(stream *on, event *of, unsigned flags) { (void)on; (void)flags; return give(of ? OK : INVALID_HANDLE); }

cudaError_t cudaEventCreateWithFlags(event **made, unsigned flags) {
    *made = calloc(1, sizeof **made);
    if (!*made) return give(OUT_OF_MEMORY);
    (*made)->timing = !(flags & 2);
    return give(OK);
}

cudaError_t cudaEventCreate(event **made) { return cudaEventCreateWithFlags(made, 0); }
cudaError_t cudaEventDestroy(event *of) { if (!of) return give(INVALID_HANDLE); free(of); return give(OK); }
cudaError_t cudaEventSynchronize(event *of) { return give(of ? OK : INVALID_HANDLE); }
cudaError_t cudaEventQuery(event *of) { return give(of ? OK : INVALID_HANDLE); }

cudaError_t cudaEventRecord(event *of, stream *on) {
    if (!of) return give(INVALID_HANDLE);
    if (on && on->capturing) return give(OK);
    clock_gettime(CLOCK_MONOTONIC, &of->when);
    of->recorded = 1;
    return give(OK);
}

cudaError_t cudaEventElapsedTime(float *milliseconds, event *from, event *to) {
    if (!from || !to || !from->recorded || !to->recorded || !from->timing || !to->timing) return give(INVALID_HANDLE);
    *milliseconds = (to->when.tv_sec - from->when.tv_sec) * 1e3 + (to->when.tv_nsec - from->when.tv_nsec) / 1e6;
    return give(OK);
}

cudaError_t cudaStreamBeginCapture(stream *on, int mode) {
    (void)mode;
    if (!on || on->capturing) return give(on ? CAPTURE_UNSUPPORTED : INVALID_VALUE);
    on->capturing = calloc(1, sizeof(graph));
    return give(on->capturing ? OK : OUT_OF_MEMORY);
}

cudaError_t cudaStreamEndCapture(stream *on, graph **made) {
    if (!on || !on->capturing) return give(INVALID_VALUE);
    *made = on->capturing;
    on->capturing = NULL;
    return give(OK);
}

cudaError_t cudaStreamIsCapturing(stream *on, int *status) { *status = on && on->capturing; return give(OK); }

/* Both ways of calling it, (exec, graph, node, log, size) before CUDA 12 and (exec, graph, flags) from 12 on, start
   alike; what it makes is the graph itself, so that destroying either leaves the other. */
cudaError_t cudaGraphInstantiate(graph **made, graph *of) { *made = of; return give(of ? OK : INVALID_VALUE); }

cudaError_t cudaGraphLaunch(graph *of, stream *on) {
    cudaError_t error = OK;
    (void)on;
    if (!of) return give(INVALID_VALUE);
    for (step *each = of->first; each && !error; each = each->next)
        if (each->call) each->call(NULL); else error = copy(each->to, each->from, each->size, each->kind);
    return give(error);
}

cudaError_t cudaGraphDestroy(graph *of) { return give(of ? OK : INVALID_VALUE); }
cudaError_t cudaGraphExecDestroy(graph *of) { return give(of ? OK : INVALID_VALUE); }

cudaError_t cudaGetDeviceCount(int *count) {
    *count = number("EMULATED_NO_DEVICE", 0) ? 0 : 1;
    return give(*count ? OK : NO_DEVICE);
}

cudaError_t cudaGetDevice(int *device) { *device = 0; return give(OK); }
cudaError_t cudaSetDevice(int device) { return give(device ? INVALID_DEVICE : OK); }
cudaError_t cudaSetDeviceFlags(unsigned flags) { (void)flags; return give(OK); }
cudaError_t cudaDeviceReset(void) { return give(OK); }

/* Numbers of cudaDeviceAttr: 13 clock in kHz, 16 multiprocessors, 18 integrated, 75 and 76 compute capability. */
cudaError_t cudaDeviceGetAttribute(int *value, int attribute, int device) {
    const char *sm = getenv("EMULATED_GPU_SM");
    int major = 5, minor = 3;
    if (device) return give(INVALID_DEVICE);
    if (sm && strchr(sm, '.')) { major = atoi(sm); minor = atoi(strchr(sm, '.') + 1); }
    switch (attribute) {
        case 13: *value = 921600; return give(OK);
        case 16: *value = 1; return give(OK);
        case 18: *value = 1; return give(OK);
        case 75: *value = major; return give(OK);
        case 76: *value = minor; return give(OK);
        default: return give(INVALID_VALUE);
    }
}

/* Of the properties the name alone, which comes first in every version's structure, in 256 bytes. */
cudaError_t cudaGetDeviceProperties(char *properties, int device) {
    const char *name = getenv("EMULATED_GPU");
    if (device) return give(INVALID_DEVICE);
    memset(properties, 0, 256);
    strncpy(properties, name && *name ? name : "NVIDIA Tegra X1", 255);
    return give(OK);
}

cudaError_t cudaGetDeviceProperties_v2(char *properties, int device) {
    return cudaGetDeviceProperties(properties, device);
}

cudaError_t cudaRuntimeGetVersion(int *version) { *version = number("EMULATED_CUDA_VERSION", 10020); return give(OK); }
cudaError_t cudaDriverGetVersion(int *version) {
    *version = number("EMULATED_DRIVER_VERSION", number("EMULATED_CUDA_VERSION", 10020));
    return give(OK);
}
cudaError_t cudaGetLastError(void) { int error = last; last = sticky; return error; }
cudaError_t cudaPeekAtLastError(void) { return last; }

const char *cudaGetErrorName(cudaError_t error) {
    switch (error) {
        case OK: return "cudaSuccess";
        case INVALID_VALUE: return "cudaErrorInvalidValue";
        case OUT_OF_MEMORY: return "cudaErrorMemoryAllocation";
        case NO_DEVICE: return "cudaErrorNoDevice";
        case INVALID_DEVICE: return "cudaErrorInvalidDevice";
        case INVALID_HANDLE: return "cudaErrorInvalidResourceHandle";
        case LAUNCH_FAILURE: return "cudaErrorLaunchFailure";
        case CAPTURE_UNSUPPORTED: return "cudaErrorStreamCaptureUnsupported";
        default: return "cudaErrorUnknown";
    }
}

const char *cudaGetErrorString(cudaError_t error) {
    switch (error) {
        case OK: return "no error";
        case INVALID_VALUE: return "invalid argument";
        case OUT_OF_MEMORY: return "out of memory";
        case NO_DEVICE: return "no CUDA-capable device is detected";
        case INVALID_DEVICE: return "invalid device ordinal";
        case INVALID_HANDLE: return "invalid resource handle";
        case LAUNCH_FAILURE: return "unspecified launch failure";
        case CAPTURE_UNSUPPORTED: return "operation not permitted when stream is capturing";
        default: return "unknown error";
    }
}

/* The stand-in of TensorRT launches through here: at once is its own business, while capturing it is written down. */
int edgeshrink_emulated_is_capturing(stream *on) { return on && on->capturing; }
int edgeshrink_emulated_launch(stream *on, work call) { return write_down(on, (step){call, NULL, NULL, 0, 0, NULL}); }

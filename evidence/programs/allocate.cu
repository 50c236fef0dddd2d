// Takes GPU memory until it is refused: `allocate checked` looks at what cudaMalloc returns, as
// careful programs do; `allocate unchecked` leaves it to thrust, whose exception nobody catches.
#include <cstdio>
#include <cstring>
#include <vector>

#include <cuda_runtime.h>
#include <thrust/device_vector.h>

int main(int count, char **words)
{
    size_t free_bytes = 0, total = 0;
    cudaMemGetInfo(&free_bytes, &total);
    if (count > 1 && !strcmp(words[1], "unchecked")) {
        thrust::device_vector<char> all(2 * total);
        return 0;
    }
    for (int piece = 0;; piece++) {
        void *held = nullptr;
        cudaError_t code = cudaMalloc(&held, total / 4);
        if (code != cudaSuccess) {
            fprintf(stderr, "CUDA error: %s (%s), piece %d\n", cudaGetErrorString(code),
                    cudaGetErrorName(code), piece);
            return 1;
        }
    }
}

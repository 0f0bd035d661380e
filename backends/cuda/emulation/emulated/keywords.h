// CUDA's keywords as macros, and its small built-in types.
#pragma once

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(n) __attribute__((aligned(n)))

// A thread-local variable may be declared wherever CUDA allows a shared one, inside a function and without a
// definition. The scheduler exchanges the module's thread-local image when the threads of another block run.
#define __shared__ thread_local

struct uint3 {
    unsigned int x, y, z;
};

struct dim3 {
    unsigned int x, y, z;
    constexpr dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1) : x(x_), y(y_), z(z_) {}
    constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
    constexpr operator uint3() const { return uint3{x, y, z}; }
};

// Vector types with CUDA's alignment, which the wide loads of emitted code rely on.
#define SNCC_EMULATION_VECTORS(scalar, name)                                                       \
    struct alignas(2 * sizeof(scalar)) name##2 { scalar x, y; };                                   \
    struct alignas(sizeof(scalar) == 8 ? 16 : 4 * sizeof(scalar)) name##4 { scalar x, y, z, w; };  \
    inline name##2 make_##name##2(scalar x, scalar y) { return {x, y}; }                           \
    inline name##4 make_##name##4(scalar x, scalar y, scalar z, scalar w) { return {x, y, z, w}; }
SNCC_EMULATION_VECTORS(float, float)
SNCC_EMULATION_VECTORS(double, double)
SNCC_EMULATION_VECTORS(int, int)
SNCC_EMULATION_VECTORS(unsigned int, uint)
SNCC_EMULATION_VECTORS(short, short)
SNCC_EMULATION_VECTORS(unsigned short, ushort)
SNCC_EMULATION_VECTORS(signed char, char)
SNCC_EMULATION_VECTORS(unsigned char, uchar)
#undef SNCC_EMULATION_VECTORS

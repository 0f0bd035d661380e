// Keywords that differ between compilers, for the headers of this folder.
#pragma once

// Functions of math.h and philox.h run on CPU and GPU from one source.
#if defined(__CUDACC__)
#define SNCC_HOST_DEVICE __host__ __device__
#else
#define SNCC_HOST_DEVICE
#endif

// Accumulators stay in registers only if the loop body is inlined into the loop that owns them.
#if defined(__GNUC__)
#define SNCC_INLINE inline __attribute__((always_inline))
#define SNCC_INLINE_LAMBDA __attribute__((always_inline))
#define SNCC_NOINLINE __attribute__((noinline))
#define SNCC_COLD __attribute__((cold))  // runs once: made small, which compiles sooner
#define SNCC_RESTRICT __restrict__
#elif defined(_MSC_VER)
#define SNCC_INLINE __forceinline
#define SNCC_INLINE_LAMBDA
#define SNCC_NOINLINE __declspec(noinline)
#define SNCC_COLD
#define SNCC_RESTRICT __restrict
#else
#define SNCC_INLINE inline
#define SNCC_INLINE_LAMBDA
#define SNCC_NOINLINE
#define SNCC_COLD
#define SNCC_RESTRICT
#endif

// A loop over registers must be unrolled whole, or its array of accumulators lives in memory.
#if defined(__GNUC__) && !defined(__CUDACC__)
#define SNCC_UNROLL _Pragma("GCC unroll 16")
#else
#define SNCC_UNROLL
#endif

// Before a loop whose turns do not depend on each other, so that it may be vectorised.
#if defined(__CUDACC__)
#define SNCC_INDEPENDENT
#elif defined(__clang__)
#define SNCC_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define SNCC_INDEPENDENT _Pragma("GCC ivdep")
#else
#define SNCC_INDEPENDENT
#endif

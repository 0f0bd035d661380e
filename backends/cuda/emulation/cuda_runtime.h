// Host emulation of the CUDA runtime: emitted .cu files include this header, by this name, unchanged.
//
// What is here is what emitted code may use, not all of CUDA: see README.md. Anything else fails to compile.
#pragma once

#include "emulated/keywords.h"
#include "emulated/host_api.h"
#include "emulated/launch.h"
#include "emulated/arithmetic.h"
#include "emulated/threads.h"
#include "emulated/warps.h"
#include "emulated/atomics.h"

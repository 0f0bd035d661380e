// math.h and philox.h in a kernel: it compiles only if every function they need exists on the device.
#include "sncc/math.h"
#include "sncc/philox.h"

using namespace sncc;

template <typename Real>
__device__ Real all_functions(Real x, Real y) {
    Real sum = m_exp(x) + m_expm1(x) + m_log(x) + m_log1p(x) + m_tanh(x) + m_sigmoid(x) + m_sin(x) + m_cos(x);
    sum += m_sqrt(x) + m_abs(x) + m_floor(x) + m_sign(x) + m_min(x, y) + m_max(x, y) + m_clip(x, y, sum);
    sum += m_pow(x, y) + m_ipow<5>(x) + m_ipow(x, -3) + m_select(x > y, x, y);
    return sum + m_phi<0>(x) + m_phi<1>(x) + m_phi<2>(x) + m_phi<3>(x) + m_phi<4>(x);
}

template <typename Real>
__global__ void kernel(Real* out) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    const PhiloxWords draw = philox(1, 2, i, 3, 4);
    const NormalPair<Real> normals = normal_pair<Real>(draw);
    out[i] = all_functions(uniform<Real>(draw), second_uniform<Real>(draw)) + normals.first + normals.second;
}

template __global__ void kernel<float>(float*);
template __global__ void kernel<double>(double*);

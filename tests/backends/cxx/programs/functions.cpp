// Applies the function named by argv[1], in the precision argv[2], to the reals of stdin, and writes them to stdout.
// A function of two arguments reads pairs. Loops are plain, so that they are vectorised as emitted code would be.
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "sncc/math.h"

using namespace sncc;

namespace {

template <typename Real>
using Apply = void (*)(Real* y, const Real* x, int n);

#define ONE(name, expression)                                                                \
    {                                                                                        \
        name, [](Real* y, const Real* v, int n) {                                            \
            for (int i = 0; i < n; ++i) {                                                    \
                const Real x = v[i];                                                         \
                y[i] = expression;                                                           \
            }                                                                                \
        }                                                                                    \
    }
#define TWO(name, expression)                                                                \
    {                                                                                        \
        name, [](Real* y, const Real* v, int n) {                                            \
            for (int i = 0; i < n / 2; ++i) {                                                \
                const Real a = v[2 * i], b = v[2 * i + 1];                                   \
                y[i] = expression;                                                           \
            }                                                                                \
        }                                                                                    \
    }

template <typename Real>
int run(const std::string& name) {
    const std::map<std::string, Apply<Real>> functions = {
        ONE("exp", m_exp(x)), ONE("expm1", m_expm1(x)), ONE("log", m_log(x)), ONE("log1p", m_log1p(x)),
        ONE("tanh", m_tanh(x)), ONE("sigmoid", m_sigmoid(x)), ONE("sin", m_sin(x)), ONE("cos", m_cos(x)),
        ONE("sqrt", m_sqrt(x)), ONE("abs", m_abs(x)), ONE("floor", m_floor(x)), ONE("sign", m_sign(x)),
        ONE("phi0", m_phi<0>(x)), ONE("phi1", m_phi<1>(x)), ONE("phi2", m_phi<2>(x)), ONE("phi3", m_phi<3>(x)),
        ONE("phi4", m_phi<4>(x)), ONE("ipow7", m_ipow<7>(x)), ONE("ipow-3", m_ipow<-3>(x)),
        ONE("ipow7_at_run_time", m_ipow(x, 7)), ONE("ipow-3_at_run_time", m_ipow(x, -3)),
        ONE("clip", m_clip(x, Real(-1), Real(2))), ONE("select", m_select(x > Real(0), Real(3), x)),
        TWO("pow", m_pow(a, b)), TWO("min", m_min(a, b)), TWO("max", m_max(a, b)),
    };
    const auto found = functions.find(name);
    if (found == functions.end()) return 2;
    std::vector<Real> values;
    Real buffer[1024];
    for (std::size_t got; (got = std::fread(buffer, sizeof(Real), 1024, stdin)) != 0;)
        values.insert(values.end(), buffer, buffer + got);
    std::vector<Real> results(values.size());
    const int n = static_cast<int>(values.size());
    found->second(results.data(), values.data(), n);
    const bool pairs = name == "pow" || name == "min" || name == "max";
    std::fwrite(results.data(), sizeof(Real), static_cast<std::size_t>(pairs ? n / 2 : n), stdout);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    return std::string(argv[2]) == "float" ? run<float>(argv[1]) : run<double>(argv[1]);
}

// The host reads through a device pointer.
// expect: the host touched device memory outside of a copy
#include "run.h"

int main() {
    float* const x = on_device(std::vector<float>(32, 1));
#ifdef FAULT
    return x[3] > 0;
#else
    return finish(x, 1);
#endif
}

// SPDX-License-Identifier: Apache-2.0
#include <front_doors.hpp>

#include <cstdio>

const void* handler_in_two();
ashlar::result<ashlar::f16> half_in_two(float);

int main() {
    const void* here = static_cast<const void*>(&ashlar::detail::current_assert_handler);
    const bool one_variable = here == handler_in_two();
    const bool one_type = half_in_two(1.5f).value() == ashlar::to<ashlar::f16>(1.5f);
    if (!one_variable) std::puts("the two translation units have an assertion handler each");
    if (!one_type) std::puts("result<f16> does not survive the way between the two translation units");
    return one_variable && one_type ? 0 : 1;
}

// A reference to a function or lambda, called through a pointer: what is handed over as an argument needs no std::function, which owns what
// it calls and takes longer to compile. It must not outlive what it refers to.
#pragma once

#include <utility>

namespace sncc {

template <typename Signature>
class Call;

template <typename Result, typename... Given>
class Call<Result(Given...)> {
public:
    Call() = default;
    template <typename Function>
    Call(const Function& function)
        : function_(&function), call_([](const void* context, Given... given) -> Result { return (*static_cast<const Function*>(context))(std::forward<Given>(given)...); }) {}

    explicit operator bool() const { return call_ != nullptr; }
    Result operator()(Given... given) const { return call_(function_, std::forward<Given>(given)...); }

private:
    const void* function_ = nullptr;
    Result (*call_)(const void*, Given...) = nullptr;
};

}  // namespace sncc

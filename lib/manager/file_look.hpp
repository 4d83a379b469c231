#pragma once

#include <array>
#include <optional>

namespace evercert {

/// Whether files have changed, look by look. What is being written looks different each time, or damaged for a moment: only what is
/// the same in two looks in a row is taken for what somebody meant. A pure value.
class file_look {
public:
    using digest = std::array<unsigned char, 32>;

    /// As it was used first.
    explicit file_look(const digest& used) : judged_{used} {}

    enum class verdict {
        unchanged,
        look_again,  ///< soon: it has changed, and may be changing still
        changed,     ///< and is so twice: use it, or say what is wrong with it; it is told once
    };
    verdict look(const digest& now) {
        if (now == judged_) {
            fresh_.reset();
            return verdict::unchanged;
        }
        if (fresh_ != now) {
            fresh_ = now;
            return verdict::look_again;
        }
        judged_ = now;
        fresh_.reset();
        return verdict::changed;
    }

private:
    digest judged_;
    std::optional<digest> fresh_;
};

}  // namespace evercert

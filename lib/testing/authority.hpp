#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <evercert/certificate.hpp>
#include <evercert/identifier.hpp>

#include "crypto/encoding.hpp"
#include "crypto/issue.hpp"
#include "crypto/public_key.hpp"

namespace evercert::testing {

/// A root and an intermediate under it that signs, as public CAs have them. Both keys live in memory alone.
class authority {
public:
    /// Longer than any simulation goes on.
    static constexpr auto lifetime = std::chrono::years{50};

    /// `name` distinguishes its roots from another's. Valid from a day before `now`.
    authority(std::string_view name, wall_time now);

    struct issued {
        std::string serial;  ///< as `certificate::serial()` has it
        bytes der;
        std::string chain_pem;
    };
    issued issue(const std::vector<identifier>& names, const public_key&, const validity&) const;

    std::string root_pem() const { return root_.chain_pem(); }

private:
    certificate root_;
    certificate intermediate_;
};

}  // namespace evercert::testing

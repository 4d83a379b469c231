#pragma once

#include <optional>
#include <string>
#include <vector>

#include <evercert/certificate.hpp>
#include <evercert/identifier.hpp>

#include "crypto/encoding.hpp"
#include "crypto/issue.hpp"
#include "crypto/public_key.hpp"

namespace evercert::testing {

/// A root and an intermediate under it that signs, as public CAs have them; the intermediate's key may be certified by
/// another root too. All keys live in memory alone.
class authority {
public:
    /// Longer than any simulation goes on.
    static constexpr auto lifetime = std::chrono::years{50};

    /// `name` distinguishes its roots from another's. Valid from a day before `now`.
    authority(const std::string& name, wall_time now, bool has_alternate);

    struct issued {
        std::string serial;      ///< as `certificate::serial()` has it
        std::string renewal_id;  ///< as `acme::certificate_id` has it
        bytes der;
        std::string chain_pem;
        std::string alternate_pem;  ///< empty if there is no second root
    };
    issued issue(const std::vector<identifier>& names, const public_key&, const validity&) const;

    /// The root, and the alternate one if there is one.
    std::string roots_pem() const { return roots_pem_; }

private:
    certificate add_issuer(const std::string& name, const private_key& signing_key, wall_time now);

    std::string name_;
    std::string roots_pem_;
    certificate intermediate_;
    std::string key_id_;
    std::optional<certificate> alternate_;
};

}  // namespace evercert::testing

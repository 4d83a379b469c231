#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include <evercert/certificate.hpp>
#include <evercert/identifier.hpp>
#include <evercert/key.hpp>

namespace evercert {

/// Certificates that serve while the real ones are on their way: signed by the manager itself, with one key of its own, and
/// kept nowhere else. Thread-safe.
class self_signer {
public:
    /// The same for a name until half of its week is over.
    certificate_ptr get(const identifier& name, wall_time now);

    /// Names that are remembered, 7 kB each; beyond it all are made anew, 0.1 ms each.
    static constexpr std::size_t names_max = 1'000;

private:
    std::mutex mutex_;
    std::optional<private_key> key_;
    std::unordered_map<std::string, certificate_ptr> by_name_;
};

}  // namespace evercert

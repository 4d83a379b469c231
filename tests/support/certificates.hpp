#pragma once

#include <memory>
#include <string>
#include <vector>

#include <evercert/certificate.hpp>

#include "crypto/issue.hpp"
#include "crypto/public_key.hpp"

namespace test {

/// A CA for tests that need certificates and no ACME.
class authority {
public:
    explicit authority(evercert::wall_time from = std::chrono::sys_days{std::chrono::year{2026} / 1 / 1})
        : from_{from},
          root_{evercert::make_root(
              "Test Root", evercert::private_key::generate(),
              {from - std::chrono::days{1}, from + std::chrono::days{3650}})} {}

    evercert::certificate_ptr issue(
        std::vector<evercert::identifier> names, evercert::duration lifetime = std::chrono::days{90},
        evercert::key_type type = evercert::key_type::ec_p256) {
        return issue(std::move(names), {from_, from_ + lifetime}, type);
    }
    evercert::certificate_ptr issue(
        std::vector<evercert::identifier> names, evercert::validity valid,
        evercert::key_type type = evercert::key_type::ec_p256) {
        auto key = evercert::private_key::generate(type);
        const auto pem = evercert::issue({std::move(names), evercert::public_key{key}, valid}, root_);
        return std::make_shared<const evercert::certificate>(pem, key);
    }
    std::string root_pem() const { return root_.chain_pem(); }

private:
    evercert::wall_time from_;
    evercert::certificate root_;
};

}  // namespace test

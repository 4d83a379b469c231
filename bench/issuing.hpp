#pragma once

#include <string>
#include <vector>

#include "crypto/issue.hpp"

namespace bench {

/// A certificate as a store has it.
struct issued {
    std::string chain;  ///< PEM: the certificate and its issuer
    std::string key;
    std::vector<evercert::identifier> names;
    evercert::validity valid;
};

/// The n-th name of a benchmark.
std::string name_of(std::size_t number);

/// As long as those of Let's Encrypt: the same extensions, of which those that nobody looks at are filled up.
class issuing {
public:
    explicit issuing(const evercert::validity&);

    issued certificate_for(std::string name, const evercert::private_key&) const;
    const evercert::certificate& root() const { return root_; }

private:
    evercert::validity valid_;
    evercert::certificate root_;
    evercert::certificate issuer_;
};

}  // namespace bench

#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <evercert/identifier.hpp>

namespace on_demand {

struct domain_table_options {
    std::string file;
    /// Each costs orders at the CA, which limits them for all customers together.
    std::size_t domains_per_customer_max = 20;
};

/// Which domain is whose, kept in a file with a line for each: "DOMAIN CUSTOMER". Stands for the table in a platform's database.
/// Thread-bound.
class domain_table {
public:
    enum class outcome { added, present, taken, full, not_a_domain };

    /// Reads the file, if it is there. Throws `std::runtime_error`, with the line that is wrong.
    explicit domain_table(domain_table_options);

    /// Whoever claims a domain first has it: a platform that anybody may join lets them prove by a DNS record that it is theirs.
    /// Throws `std::runtime_error` if the file cannot be written; then nothing is changed.
    outcome add(const evercert::identifier& domain, const std::string& customer);
    /// False if the customer does not have it. Throws as `add`.
    bool remove(const evercert::identifier& domain, const std::string& customer);

    /// Empty if it is nobody's.
    std::string owner_of(const evercert::identifier& domain) const;
    std::vector<evercert::identifier> domains_of(const std::string& customer) const;

private:
    using domains = std::map<evercert::identifier, std::string>;

    void save(const domains&) const;
    std::size_t count_of(const std::string& customer) const;

    const domain_table_options options_;
    domains owners_;
};

}  // namespace on_demand

#include "domain_table.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace on_demand {

domain_table::domain_table(domain_table_options options) : options_{std::move(options)} {
    std::ifstream file{options_.file};
    int number = 0;
    for (std::string line; std::getline(file, line);) {
        ++number;
        std::istringstream words{line};
        std::string domain, customer, more;
        if (!(words >> domain))
            continue;
        const auto name = evercert::identifier::parse(domain);
        if (!name || !(words >> customer) || (words >> more) || !owners_.emplace(*name, customer).second)
            throw std::runtime_error{
                options_.file + ", line " + std::to_string(number) +
                ": not a domain and its customer, or a domain twice"};
    }
}

domain_table::outcome domain_table::add(const evercert::identifier& domain, const std::string& customer) {
    // No wildcard, no address: what a browser can ask for, and an http-01 or tls-alpn-01 validation prove.
    if (domain.type() != evercert::identifier::kind::dns || domain.is_wildcard())
        return outcome::not_a_domain;
    if (const auto owner = owner_of(domain); !owner.empty())
        return owner == customer ? outcome::present : outcome::taken;
    if (count_of(customer) >= options_.domains_per_customer_max)
        return outcome::full;
    auto changed = owners_;
    changed.emplace(domain, customer);
    save(changed);
    owners_.swap(changed);
    return outcome::added;
}

bool domain_table::remove(const evercert::identifier& domain, const std::string& customer) {
    if (owner_of(domain) != customer)
        return false;
    auto changed = owners_;
    changed.erase(domain);
    save(changed);
    owners_.swap(changed);
    return true;
}

std::string domain_table::owner_of(const evercert::identifier& domain) const {
    const auto found = owners_.find(domain);
    return found == owners_.end() ? std::string{} : found->second;
}

std::vector<evercert::identifier> domain_table::domains_of(const std::string& customer) const {
    std::vector<evercert::identifier> all;
    for (const auto& [domain, owner] : owners_)
        if (owner == customer)
            all.push_back(domain);
    return all;
}

std::size_t domain_table::count_of(const std::string& customer) const {
    return static_cast<std::size_t>(
        std::count_if(owners_.begin(), owners_.end(), [&](const auto& each) { return each.second == customer; }));
}

// Beside it first: whoever reads the file finds the table before or after, and never a half of it.
void domain_table::save(const domains& changed) const {
    const auto beside = options_.file + ".new";
    std::ofstream file{beside, std::ios::trunc};
    for (const auto& [domain, customer] : changed)
        file << domain.value() << ' ' << customer << '\n';
    file.close();
    if (!file || std::rename(beside.c_str(), options_.file.c_str()) != 0)
        throw std::runtime_error{"cannot write " + options_.file};
}

}  // namespace on_demand

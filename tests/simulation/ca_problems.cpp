#include "ca_problems.hpp"

#include <utility>

namespace simulation {

ca_problems::handle ca_problems::begin(const std::string& resource, int n, ca_problem what) {
    say_(n, resource, what);
    by_resource_[resource].push_back({++begun_, n, std::move(what)});
    return {resource, begun_};
}

void ca_problems::end(const handle& of) {
    auto& all = by_resource_[of.resource];
    std::erase_if(all, [&](const one& each) { return each.number == of.number; });
    if (all.empty())
        say_(0, of.resource, {503, "", "", ""});
    else
        say_(all.back().n, of.resource, all.back().what);
}

}  // namespace simulation

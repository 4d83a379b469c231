#include "acme/link.hpp"

#include <algorithm>

#include "acme/json.hpp"
#include "http/ascii.hpp"

namespace evercert::acme {
namespace {

/// The part of `rest` up to the first of `ends` that is not inside quotes; `rest` goes on after it.
std::string_view take_until(std::string_view& rest, std::string_view ends, char& found) {
    bool is_quoted = false;
    for (std::size_t i = 0; i < rest.size(); ++i) {
        if (is_quoted && rest[i] == '\\')
            ++i;
        else if (rest[i] == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && ends.find(rest[i]) != std::string_view::npos) {
            auto part = rest.substr(0, i);
            found = rest[i];
            rest.remove_prefix(i + 1);
            return part;
        }
    }
    found = 0;
    return std::exchange(rest, {});
}

/// rel="alternate up": a parameter that is a list of relations.
bool names_relation(std::string_view parameter, std::string_view relation) {
    auto equals = parameter.find('=');
    if (equals == std::string_view::npos || !equals_ignoring_case(trim(parameter.substr(0, equals)), "rel"))
        return false;
    auto value = trim(parameter.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
    while (!value.empty()) {
        auto end = std::min(value.find(' '), value.size());
        if (equals_ignoring_case(value.substr(0, end), relation))
            return true;
        value.remove_prefix(std::min(end + 1, value.size()));
    }
    return false;
}

}  // namespace

std::vector<std::string> find_links(
    const std::vector<std::string_view>& fields, std::string_view relation, std::size_t count_max) {
    std::vector<std::string> found;
    for (auto rest : fields) {
        while (found.size() < count_max) {
            auto open = rest.find('<');
            auto close = rest.find('>', open);
            if (open == std::string_view::npos || close == std::string_view::npos)
                break;
            auto target = rest.substr(open + 1, close - open - 1);
            rest.remove_prefix(close + 1);
            bool matches = false;
            char end = ';';
            while (end == ';')
                matches = names_relation(take_until(rest, ";,", end), relation) || matches;
            if (matches && is_https_url(target))
                found.emplace_back(target);
        }
    }
    return found;
}

}  // namespace evercert::acme

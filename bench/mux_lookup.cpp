// What a look-up in a `mux` costs, by how many hosts it has: for each of them a page and a folder.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <evercert/http.hpp>
#include <evercert/mux.hpp>

namespace {

asio::awaitable<evercert::response> answer(evercert::request) { co_return evercert::response{200}; }

evercert::request request_for(std::size_t host, const std::string& target) {
    evercert::request asked;
    asked.method = "GET";
    asked.target = target;
    asked.host = fmt::format("host{}.example.com", host);
    return asked;
}

/// Nanoseconds, with the frame of the handler that was found, which is not run.
double look_up(const evercert::mux& among, std::vector<evercert::request> asked) {
    std::size_t found = 0;
    const auto begun = std::chrono::steady_clock::now();
    for (auto& each : asked)
        found += among.answer(std::move(each)).valid();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begun;
    if (found != asked.size())
        std::abort();
    return took.count() / static_cast<double>(asked.size());
}

double median_of_five(const evercert::mux& among, std::size_t hosts, const std::string& target) {
    std::mt19937_64 random{1};
    std::uniform_int_distribution<std::size_t> host{0, hosts - 1};
    std::vector<evercert::request> asked;
    for (int i = 0; i < 20'000; ++i)
        asked.push_back(request_for(host(random), target));
    std::array<double, 5> took{};
    for (auto& each : took)
        each = look_up(among, asked);
    std::sort(took.begin(), took.end());
    return took[2];
}

}  // namespace

int main() {
    fmt::print("\nA look-up in a mux, for a random host, ns; median of 5\n");
    fmt::print("{:>9}  {:>10}  {:>18}\n", "hosts", "its page", "below its folder");
    for (const std::size_t hosts : {std::size_t{10}, std::size_t{1'000}, std::size_t{100'000}}) {
        evercert::mux among;
        for (std::size_t i = 0; i < hosts; ++i) {
            among.handle(fmt::format("host{}.example.com/page", i), answer);
            among.handle(fmt::format("host{}.example.com/folder/", i), answer);
        }
        const double page = median_of_five(among, hosts, "/page");
        const double below = median_of_five(among, hosts, "/folder/of/some/depth/file.html");
        fmt::print("{:>9}  {:>10.0f}  {:>18.0f}\n", hosts, page, below);
    }
}

// A program outside the tree: what it needs of evercert has to be installed.
#include <iostream>

#include <evercert/error.hpp>

int main() {
    const evercert::error refused{evercert::errc::rate_limited, "one order a minute", std::chrono::seconds{60}};
    std::cout << refused.what() << '\n';
    return evercert::is_retryable(refused) ? 0 : 1;
}

// The expressions that GCC 12.2 miscompiles, each marked with the kind that tools/lint/coroutines.py must name.
// Nothing builds this file: it is read by the lint's test. Compiled with `g++-12 -fsanitize=address`, the first
// five functions destroy an object twice, and the one that throws reads freed memory.
#include <array>
#include <memory>
#include <stdexcept>
#include <string>

#include <asio/awaitable.hpp>

using asio::awaitable;

namespace {

struct settings {
    std::string name;
    std::string path;
};

awaitable<std::string> echo(std::string text) { co_return text; }

awaitable<void> open(settings) { co_return; }

awaitable<void> open_default(int, settings chosen = {}) {  // expect: AGG
    co_await open(std::move(chosen));
}

template <typename Callable>
awaitable<void> call(Callable callable) {
    callable();
    co_return;
}

awaitable<void> braced_aggregate(std::string name) {
    co_await open(settings{name, name});  // expect: AGG
    co_await open({.name = name});        // expect: AGG
    co_await open({name, "somewhere"});   // expect: AGG
}

awaitable<void> default_argument() { co_await open_default(1); }

awaitable<void> braced_array(std::string name) {
    auto both = std::array<std::string, 2>{co_await echo(name), co_await echo(name)};  // expect: AGG
    (void)both;
}

awaitable<void> conditional(std::string name, bool first) {
    co_await echo(first ? name : std::string{"the other"});  // expect: TERNARY
}

awaitable<void> capturing_lambda(std::string name) {
    auto shared = std::make_shared<std::string>(name);
    co_await call([name] { return name.size(); });                            // expect: LAMBDA
    co_await call([shared, &name] { return shared->size() + name.size(); });  // expect: LAMBDA
    co_await call([moved = std::move(name)] { return moved.size(); });        // expect: LAMBDA
}

std::runtime_error failure(std::string text) { return std::runtime_error{text}; }

awaitable<void> throw_what_was_awaited() {
    throw failure(co_await echo("why"));  // expect: THROW
}

}  // namespace

void use_all() {
    (void)braced_aggregate("a");
    (void)default_argument();
    (void)braced_array("a");
    (void)conditional("a", true);
    (void)capturing_lambda("a");
    (void)throw_what_was_awaited();
}

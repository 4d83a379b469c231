// What evercert's interface and style rely on instead of the forms in unsafe_forms.cpp: each runs here under
// AddressSanitizer with the compiler that the tree is built with, which on Debian 12 is GCC 12.
#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include "catch.hpp"

using asio::awaitable;

namespace {

// Long enough to live on the heap, so that a second destruction is one that AddressSanitizer sees.
const std::string long_text = "a text that no small-string buffer has the room for, however generous";

struct settings {
    std::string name = long_text;
    std::vector<std::string> others;
};

class described {
public:
    described() = default;
    explicit described(std::string text) : text_{std::move(text)} {}
    described(std::string text, std::vector<std::string> more) : text_{std::move(text)}, more_{std::move(more)} {}

    std::size_t size() const { return text_.size() + more_.size(); }

private:
    std::string text_ = long_text;
    std::vector<std::string> more_;
};

// Suspends for one turn of the loop, so that the frame is really left and entered again.
awaitable<void> turn() { co_await asio::post(asio::use_awaitable); }

awaitable<std::size_t> size_of_settings(settings given) {
    co_await turn();
    co_return given.name.size() + given.others.size();
}

awaitable<std::size_t> size_of(described given) {
    co_await turn();
    co_return given.size();
}

awaitable<std::string> echo(std::string text) {
    co_await turn();
    co_return text;
}

template <typename Callable>
awaitable<std::size_t> call(Callable callable) {
    co_await turn();
    co_return callable(long_text);
}

settings make_settings(std::string name) {
    settings made;
    made.name = std::move(name);
    return made;
}

template <typename Coroutine>
void run(Coroutine coroutine) {
    asio::io_context io;
    auto ended = false;
    auto started = coroutine();
    asio::co_spawn(io, std::move(started), [&](std::exception_ptr thrown) {
        ended = true;
        if (thrown)
            std::rethrow_exception(thrown);
    });
    io.run();
    REQUIRE(ended);
}

}  // namespace

TEST_CASE("a named aggregate is moved into an awaitable") {
    run([]() -> awaitable<void> {
        settings given{.name = long_text, .others = {long_text}};
        const auto size = co_await size_of_settings(std::move(given));
        CHECK(size == long_text.size() + 1);
    });
}

TEST_CASE("an aggregate from a factory function is passed to an awaitable") {
    run([]() -> awaitable<void> {
        const auto size = co_await size_of_settings(make_settings(long_text));
        CHECK(size == long_text.size());
    });
}

TEST_CASE("a class with constructors is built in the awaited call") {
    run([]() -> awaitable<void> {
        const auto explicit_one = co_await size_of(described{long_text});
        CHECK(explicit_one == long_text.size());
        const auto default_one = co_await size_of(described{});
        CHECK(default_one == long_text.size());
        std::vector<std::string> more(3, long_text);
        const auto two_arguments = co_await size_of(described{long_text, std::move(more)});
        CHECK(two_arguments == long_text.size() + 3);
    });
}

TEST_CASE("a vector of class objects is built from awaited values") {
    run([]() -> awaitable<void> {
        std::vector<std::string> all;
        all.push_back(co_await echo(long_text));
        all.push_back(co_await echo("short"));
        CHECK(all == std::vector<std::string>{long_text, "short"});
    });
}

TEST_CASE("a choice between two objects is made in a statement before the await") {
    run([]() -> awaitable<void> {
        for (const bool first : {true, false}) {
            std::string chosen = "the other";
            if (first)
                chosen = long_text;
            const auto answer = co_await echo(std::move(chosen));
            CHECK((answer == long_text) == first);
        }
    });
}

TEST_CASE("a captureless lambda with parameters is passed to an awaitable") {
    run([]() -> awaitable<void> {
        const auto size = co_await call([](const std::string& text) { return text.size(); });
        CHECK(size == long_text.size());
    });
}

TEST_CASE("a named lambda with captures is moved into an awaitable") {
    run([]() -> awaitable<void> {
        const auto shared = std::make_shared<std::string>(long_text);
        auto callable = [shared, copy = long_text](const std::string& text) {
            return shared->size() + copy.size() + text.size();
        };
        const auto size = co_await call(std::move(callable));
        CHECK(size == 3 * long_text.size());
    });
}

TEST_CASE("a lambda that captures by reference alone is passed to an awaitable") {
    run([]() -> awaitable<void> {
        std::string seen;
        const auto size = co_await call([&](const std::string& text) {
            seen = text;
            return text.size();
        });
        CHECK(size == seen.size());
    });
}

TEST_CASE("co_spawn is a statement of its own and its coroutine takes parameters") {
    asio::io_context io;
    std::string told;
    asio::co_spawn(
        io,
        [](std::string text, std::string& out) -> awaitable<void> {
            co_await turn();
            out = std::move(text);
        }(long_text, told),
        [](std::exception_ptr thrown) {
            if (thrown)
                std::rethrow_exception(thrown);
        });
    io.run();
    CHECK(told == long_text);
}

TEST_CASE("what was awaited is named before it is thrown") {
    const auto thrower = []() -> awaitable<void> {
        auto text = co_await echo(long_text);
        throw std::runtime_error{text};
    };
    CHECK_THROWS_WITH(run(thrower), long_text);
}

TEST_CASE("an error is kept in the catch block and awaited about after it") {
    run([]() -> awaitable<void> {
        std::optional<std::string> failed;
        try {
            co_await turn();
            throw std::runtime_error{long_text};
        } catch (const std::runtime_error& thrown) {
            failed = thrown.what();
        }
        REQUIRE(failed.has_value());
        const auto answer = co_await echo(std::move(*failed));
        CHECK(answer == long_text);
    });
}

TEST_CASE("an awaited pair is named before it is taken apart") {
    const auto both = []() -> awaitable<std::pair<std::string, std::string>> {
        co_await turn();
        co_return std::pair{long_text, std::string{"second"}};
    };
    run([both]() -> awaitable<void> {
        auto result = co_await both();
        auto& [first, second] = result;
        CHECK(first == long_text);
        CHECK(second == "second");
    });
}

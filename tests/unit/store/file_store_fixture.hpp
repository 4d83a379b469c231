#pragma once

#include <set>
#include <string>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <evercert/error.hpp>
#include <evercert/file_store.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "run.hpp"
#include "temp_folder.hpp"

namespace test {

namespace json = boost::json;
using namespace std::chrono_literals;

/// A certificate as the manager saves it.
inline json::object certificate_value(std::vector<evercert::identifier> names, double draw = 0.5) {
    authority ca;
    json::array list;
    for (const auto& name : names)
        list.emplace_back(name.value());
    const auto issued = ca.issue(std::move(names));
    return {{"names", list}, {"draw", draw}, {"chain", issued->chain_pem()}, {"key", issued->key().to_pem()}};
}

struct file_store_fixture {
    file_store_fixture() { options.lock_poll = 1ms; }

    std::shared_ptr<evercert::store> open() { return evercert::file_store(root(), options); }
    std::string root() const { return folder.file("store"); }
    std::string path(const std::string& name) const { return root() + "/" + name; }
    template <typename T>
    T run(asio::awaitable<T> work) {
        return run_io(io, std::move(work));
    }
    void save(evercert::store& to, const std::string& key, const json::object& value) {
        run(to.save(key, json::serialize(value)));
    }
    json::object load(evercert::store& from, const std::string& key) {
        const auto value = run(from.load(key));
        REQUIRE(value);
        return json::parse(*value).as_object();
    }
    /// Longer than a waiter's poll.
    void pause() { run(evercert::system_clock()->sleep_for(10ms)); }
    /// Below a folder of the store.
    std::set<std::string> files(const std::string& below = "") const {
        std::set<std::string> found;
        for (const auto& entry : std::filesystem::recursive_directory_iterator{path(below)})
            if (entry.is_regular_file())
                found.insert(std::filesystem::relative(entry.path(), path(below)).string());
        return found;
    }

    asio::io_context io;  // outlives the store's threads
    temp_folder folder;
    evercert::file_store_options options;
};

template <typename Work>
std::string failure(Work work, evercert::errc expected = evercert::errc::store_failed) {
    try {
        work();
    } catch (const evercert::error& e) {
        CHECK(e.code() == expected);
        return e.what();
    }
    FAIL("it did not fail");
    return {};
}

}  // namespace test

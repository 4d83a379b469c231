#include <set>
#include <string>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <evercert/events.hpp>

#include "catch.hpp"

using namespace evercert;

TEST_CASE("an event is one line of JSON without the members that say nothing") {
    manager_event happened;
    happened.type = event_type::clock_trusted;
    happened.at = wall_time{std::chrono::seconds{1769860800}};
    CHECK(to_json(happened) == R"({"type":"clock_trusted","at":"2026-01-31T12:00:00Z"})");

    happened.type = event_type::retry_planned;
    happened.names = {"a.test", "*.b.test"};
    happened.text = "the CA said \"no\"\\\n";
    happened.failure = failure_class::caa;
    happened.next = happened.at + std::chrono::minutes{15};
    happened.key = key_type::ec_p384;
    happened.serial = "04d2";
    const auto line = to_json(happened);
    CHECK(line.find('\n') == std::string::npos);
    CHECK(
        line ==
        R"({"type":"retry_planned","at":"2026-01-31T12:00:00Z","names":["a.test","*.b.test"],)"
        R"("text":"the CA said \"no\"\\\n","failure":"caa","next":"2026-01-31T12:15:00Z","key":"P-384","serial":"04d2"})");
}

TEST_CASE("every type of event has a name of its own") {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < event_type_count; ++i)
        names.insert(to_string(static_cast<event_type>(i)));
    CHECK(names.size() == event_type_count);
    CHECK(to_string(event_type::registered) == "registered");
    CHECK(to_string(event_type::rolled_back) == "rolled_back");
    CHECK(to_string(event_type::renewal_suggested) == "renewal_suggested");
    CHECK(to_string(event_type::save_failed) == "save_failed");
}

TEST_CASE("the ends of time can be written") {
    manager_event happened;
    happened.at = wall_time::min();
    happened.next = wall_time::max();
    const auto line = boost::json::parse(to_json(happened)).as_object();
    CHECK(line.at("at").as_string() == "1677-09-21T00:12:43Z");
    CHECK(line.at("next").as_string() == "2262-04-11T23:47:16Z");
}

#include <set>
#include <string>

#include <evercert/status.hpp>

#include "catch.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

const wall_time noon{1769860800s};  // 2026-01-31T12:00:00Z

certificate_status failed_renewal() {
    certificate_status status;
    status.names = {"a.test", "www.a.test"};
    status.state = certificate_state::expiring;
    status.not_before = noon - 24h;
    status.not_after = noon + 1h;
    status.problem = last_problem{failure_class::dns, "no A record for \"a.test\"", noon - 1min, 3};
    status.next = next_act::renew;
    status.next_at = noon + 7min;
    status.reason = "the last attempt failed";
    status.saved = false;
    return status;
}

}  // namespace

TEST_CASE("a name that was not asked for yet has a short status") {
    certificate_status status;
    status.names = {"a.test"};
    CHECK(to_json(status) == R"({"names":["a.test"],"state":"not_asked_for","next":"none","saved":true})");
}

TEST_CASE("the status of a certificate says what key it has, and whose it is unless it is the manager's") {
    certificate_status status;
    status.names = {"a.test"};
    status.key = key_type::rsa_2048;
    status.state = certificate_state::valid;
    CHECK(to_json(status) == R"({"names":["a.test"],"key":"RSA 2048","state":"valid","next":"none","saved":true})");
    status.origin = certificate_origin::own;
    CHECK(
        to_json(status) ==
        R"({"names":["a.test"],"origin":"own","key":"RSA 2048","state":"valid","next":"none","saved":true})");
}

TEST_CASE("the status of a certificate says what failed and what comes next") {
    CHECK(
        to_json(failed_renewal()) ==
        R"({"names":["a.test","www.a.test"],"state":"expiring","not_before":"2026-01-30T12:00:00Z",)"
        R"("not_after":"2026-01-31T13:00:00Z","problem":{"class":"dns","text":"no A record for \"a.test\"",)"
        R"("at":"2026-01-31T11:59:00Z","failures":3},"next":"renew","next_at":"2026-01-31T12:07:00Z",)"
        R"("reason":"the last attempt failed","saved":false})");
}

TEST_CASE("the status of a manager has its account, its clock, its limiters and its certificates") {
    manager_status status;
    status.at = noon;
    status.directory_url = "https://ca.test/dir";
    CHECK(
        to_json(status) ==
        R"({"at":"2026-01-31T12:00:00Z","directory_url":"https://ca.test/dir","ordered":0,"issued":0,"failed_validations":0,"limiters":[],"certificates":[]})");

    status.account_url = "https://ca.test/account/1";
    status.ordered = 3;
    status.issued = 2;
    status.failed_validations = 1;
    status.clock_doubt = "the CA says it is tomorrow";
    status.limiters = {{"orders", 90s, 2}};
    status.certificates = {failed_renewal()};
    CHECK(
        to_json(status) ==
        R"({"at":"2026-01-31T12:00:00Z","directory_url":"https://ca.test/dir",)"
        R"("account_url":"https://ca.test/account/1","clock_doubt":"the CA says it is tomorrow",)"
        R"("ordered":3,"issued":2,"failed_validations":1,"limiters":[{"name":"orders","wait":90,"waiting":2}],"certificates":[)" +
            to_json(failed_renewal()) + "]}");
}

TEST_CASE("the status of a manager has what waits for the limits, and until when") {
    manager_status status;
    status.at = noon;
    replacement_status waiting;
    waiting.certificates = 1200;
    waiting.first = {"b.test", "a.test"};
    waiting.limit = "orders";
    waiting.interval = 60s;
    waiting.done_at = noon + 20h;
    waiting.late = 3;
    status.replacement = waiting;
    CHECK(
        to_json(status).find(
            R"("replacement":{"certificates":1200,"first":["b.test","a.test"],"limit":"orders","interval":60,)"
            R"("done_at":"2026-02-01T08:00:00Z","late":3})") != std::string::npos);
    status.replacement->deadline = noon + 1h;
    CHECK(to_json(status).find(R"("deadline":"2026-01-31T13:00:00Z")") != std::string::npos);
}

TEST_CASE("every state of a certificate and every next act has a name of its own") {
    std::set<std::string_view> names;
    for (int i = 0; i <= static_cast<int>(certificate_state::expired); ++i)
        names.insert(to_string(static_cast<certificate_state>(i)));
    CHECK(names.size() == 7);
    CHECK(to_string(certificate_state::valid) == "valid");
    CHECK(to_string(certificate_state::renewing) == "renewing");
    std::set<std::string_view> acts;
    for (int i = 0; i <= static_cast<int>(next_act::forget); ++i)
        acts.insert(to_string(static_cast<next_act>(i)));
    CHECK(acts.size() == 5);
    CHECK(to_string(next_act::poll_renewal_info) == "poll_renewal_info");
}

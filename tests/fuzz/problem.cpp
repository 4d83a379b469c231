#include "acme/problem.hpp"

#include <boost/json.hpp>

#include "fuzz.hpp"

using namespace evercert;

namespace {

boost::json::object to_json(const problem& from) {
    boost::json::array subproblems;
    for (const auto& one : from.subproblems)
        subproblems.push_back(
            {{"type", one.type}, {"detail", one.detail}, {"identifier", {{"type", "dns"}, {"value", one.identifier}}}});
    return {{"type", from.type},     {"title", from.title},       {"detail", from.detail},
            {"status", from.status}, {"instance", from.instance}, {"subproblems", std::move(subproblems)}};
}

bool same(const problem& a, const problem& b) {
    const auto same_part = [](const problem::subproblem& a, const problem::subproblem& b) {
        return a.type == b.type && a.detail == b.detail && a.identifier == b.identifier;
    };
    return a.type == b.type && a.title == b.title && a.detail == b.detail && a.status == b.status &&
        a.instance == b.instance &&
        std::equal(a.subproblems.begin(), a.subproblems.end(), b.subproblems.begin(), b.subproblems.end(), same_part);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto body = fuzz::text_of(data, size);
    const auto parsed = acme::parse_problem(body);
    if (parsed) {
        fuzz::must(parsed->type.size() <= 256 && parsed->detail.size() <= 4096, "a problem's texts are bounded");
        const auto again = acme::parse_problem(boost::json::serialize(to_json(*parsed)));
        fuzz::must(again && same(*again, *parsed), "a problem is the same after it was written and read");
    }
    response answer{403, std::string{body}};
    answer.fields.set("Retry-After", body.substr(0, 40));
    const auto thrown = acme::to_error("newOrder", "https://ca.test/new-order", answer, wall_time{});
    fuzz::must(!fuzz::accepts([&] { throw thrown; }), "a refusal is an error of ours");
    fuzz::must(
        !thrown.retry_after() || (thrown.retry_after()->count() >= 0 && *thrown.retry_after() <= std::chrono::days{31}),
        "a wait is bounded");
    return 0;
}

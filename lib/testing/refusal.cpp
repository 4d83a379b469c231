#include "testing/refusal.hpp"

#include <boost/json/array.hpp>

#include <evercert/identifier.hpp>

namespace evercert::testing {

problem acme_problem(int status, std::string_view type, std::string detail) {
    problem result;
    result.type = "urn:ietf:params:acme:error:" + std::string{type};
    result.detail = std::move(detail);
    result.status = status;
    return result;
}

boost::json::object to_json(const problem& why) {
    boost::json::object result{{"type", why.type}, {"detail", why.detail}, {"status", why.status}};
    if (!why.title.empty())
        result["title"] = why.title;
    // RFC 8555, section 6.2: the client is told what it may sign with.
    if (why.is("badSignatureAlgorithm"))
        result["algorithms"] = {"ES256", "ES384", "RS256", "EdDSA"};
    if (why.subproblems.empty())
        return result;
    boost::json::array subproblems;
    for (const auto& each : why.subproblems) {
        boost::json::object item{{"type", each.type}, {"detail", each.detail}};
        if (!each.identifier.empty()) {
            const auto name = identifier::parse(each.identifier);
            const bool ip = name && name->type() == identifier::kind::ip;
            item["identifier"] = {{"type", ip ? "ip" : "dns"}, {"value", each.identifier}};
        }
        subproblems.push_back(std::move(item));
    }
    result["subproblems"] = std::move(subproblems);
    return result;
}

}  // namespace evercert::testing

#include "testing/answers.hpp"

#include <boost/json/serialize.hpp>

#include "testing/refusal.hpp"

namespace evercert::testing {

response json_response(int status, const boost::json::object& body) {
    auto answer = empty_response(status);
    answer.fields.set("Content-Type", "application/json");
    answer.body = boost::json::serialize(body);
    return answer;
}

response empty_response(int status) {
    response answer;
    answer.status = status;
    return answer;
}

std::string link(std::string_view url, std::string_view relation) {
    std::string value{"<"};
    return value.append(url).append(">;rel=\"").append(relation).append("\"");
}

void require_post_as_get(const jws_request& jws) {
    if (!jws.payload.empty())
        throw refusal{400, "malformed", "the payload of a POST-as-GET must be empty"};
}

}  // namespace evercert::testing

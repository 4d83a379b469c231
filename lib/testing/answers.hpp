#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include <evercert/http.hpp>

#include "testing/jws_request.hpp"

namespace evercert::testing {

response json_response(int status, const boost::json::object& body);
response empty_response(int status);

/// The value of a Link field (RFC 8288).
std::string link(std::string_view url, std::string_view relation);

/// RFC 8555, section 6.3. Throws `refusal` (malformed) if there is a payload.
void require_post_as_get(const jws_request&);

}  // namespace evercert::testing

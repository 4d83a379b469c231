#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include <evercert/clock.hpp>
#include <evercert/error.hpp>
#include <evercert/http.hpp>

namespace evercert::acme {

/// A problem document (RFC 7807; RFC 8555, section 6.7). Never fails: whoever reports an error badly has
/// an error to report still. Texts are cut, members of the wrong type left out.
evercert::problem read_problem(const boost::json::object&);

/// The same from the body of an answer, whatever its content type says. Nothing if it is not a problem document.
std::optional<evercert::problem> parse_problem(std::string_view body);

/// For people, on one line: `caa: "detail"; "a.test": caa: "detail": let the CA in by …`; the end is what to do
/// about it.
std::string describe(const evercert::problem&);

/// What to throw for an answer that is not a success: which step, whose answer, what it said, what to do.
/// `errc::rate_limited`, `account_does_not_exist`, `acme_problem`; `http_status` if there is no problem document.
error to_error(std::string_view step, std::string_view url, const response&, wall_time now);

/// The host of an URL that was parsed before, for texts.
std::string host_of(std::string_view url);

}  // namespace evercert::acme

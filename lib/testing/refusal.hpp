#pragma once

#include <exception>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include <evercert/error.hpp>
#include <evercert/http.hpp>

namespace evercert::testing {

/// "urn:ietf:params:acme:error:" + `type`, as RFC 8555 section 6.7 names its errors.
problem acme_problem(int status, std::string_view type, std::string detail);

/// RFC 7807, with the subproblems of RFC 8555, section 6.7.1.
boost::json::object to_json(const problem&);

/// A request that the CA refuses: the problem is its answer.
class refusal : public std::exception {
public:
    explicit refusal(evercert::problem why, evercert::fields extra = {})
        : problem{std::move(why)}, fields{std::move(extra)} {}
    refusal(int status, std::string_view type, std::string detail)
        : refusal{acme_problem(status, type, std::move(detail))} {}

    const char* what() const noexcept override { return problem.detail.c_str(); }

    evercert::problem problem;
    /// What the answer's head says besides.
    evercert::fields fields;
};

}  // namespace evercert::testing

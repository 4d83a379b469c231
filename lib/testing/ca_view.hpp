#pragma once

#include <string>

#include <boost/json/object.hpp>

#include <evercert/testing/acme_server.hpp>

#include "testing/ca_book.hpp"
#include "testing/routes.hpp"

namespace evercert::testing {

/// The CA's records as the objects of RFC 8555, section 7.1.
class ca_view {
public:
    /// `base_url`: "https://127.0.0.1:14000", before every path.
    explicit ca_view(std::string base_url) : base_url_{std::move(base_url)} {}

    const std::string& base_url() const { return base_url_; }
    std::string url(resource what, std::size_t id = 0) const;

    boost::json::object directory(const acme_server_options&) const;
    boost::json::object account(const account_record&) const;
    boost::json::object order(const order_record&) const;
    boost::json::object authorization(const authorization_record&, const ca_book&) const;
    boost::json::object challenge(const challenge_record&) const;
    boost::json::object renewal_info(const renewal_window&) const;

private:
    std::string base_url_;
};

}  // namespace evercert::testing

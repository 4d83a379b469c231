#include "acme/json.hpp"
#include "acme/wire.hpp"
#include "documents.hpp"
#include "fuzz.hpp"

using namespace evercert;

namespace {

boost::json::object to_json(const acme::directory& directory) {
    boost::json::object meta{
        {"caaIdentities", fuzz::json_list(directory.caa_identities)},
        {"externalAccountRequired", directory.external_account_required}};
    if (directory.terms_of_service)
        meta["termsOfService"] = *directory.terms_of_service;
    if (directory.website)
        meta["website"] = *directory.website;
    boost::json::object document{
        {"newNonce", directory.new_nonce},
        {"newAccount", directory.new_account},
        {"newOrder", directory.new_order},
        {"revokeCert", directory.revoke_cert},
        {"meta", std::move(meta)}};
    if (!directory.key_change.empty())
        document["keyChange"] = directory.key_change;
    if (!directory.renewal_info.empty())
        document["renewalInfo"] = directory.renewal_info;
    return document;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto parsed = fuzz::read([&] { return acme::parse_directory(fuzz::text_of(data, size), fuzz::url); });
    if (!parsed)
        return 0;
    fuzz::must(acme::is_https_url(parsed->new_order), "a directory leads to https");
    const auto written = to_json(*parsed);
    const auto again = fuzz::read([&] { return acme::parse_directory(boost::json::serialize(written), fuzz::url); });
    fuzz::must(again && to_json(*again) == written, "a directory is the same after it was written and read");
    return 0;
}

#include "base/failure.hpp"

#include <asio/error.hpp>

namespace evercert {

bool failure::is_cancellation() const { return code == asio::error::operation_aborted; }

failure describe(std::exception_ptr thrown) {
    failure result;
    result.kind = classify(thrown);
    try {
        std::rethrow_exception(thrown);
    } catch (const error& e) {
        result.code = e.code();
        result.text = e.what();
        result.retry_after = e.retry_after();
        if (const auto* said = e.problem()) {
            result.from_ca = true;
            const auto type = deciding_type(*said);
            result.problem_type = type;
            result.problem_status = type.data() == said->type.data() ? said->status : 0;
        }
    } catch (const std::system_error& e) {
        result.code = e.code();
        result.text = e.what();
    } catch (const std::exception& e) {
        result.text = e.what();
    } catch (...) {
        result.text = "an exception that is no std::exception";
    }
    return result;
}

}  // namespace evercert

// What JavaScript sees of a transfer: `sendFile`, and the object that cancels it.
#include <fcntl.h>

#include "send_scheduler.h"

namespace stratalog {

namespace {

napi_value Undefined(napi_env env) {
  napi_value undefined = nullptr;
  napi_get_undefined(env, &undefined);
  return undefined;
}

// The object of a transfer begins empty: SendFile wraps the transfer into it.
napi_value ConstructTransfer(napi_env env, napi_callback_info info) {
  napi_value receiver = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, &receiver, nullptr);
  return receiver;
}

void FinalizeTransfer(napi_env, void* data, void*) { delete static_cast<Transfer*>(data); }

// cancel()
napi_value CancelTransfer(napi_env env, napi_callback_info info) {
  napi_value receiver = nullptr;
  void* transfer = nullptr;
  if (napi_get_cb_info(env, info, nullptr, nullptr, &receiver, nullptr) == napi_ok &&
      napi_unwrap(env, receiver, &transfer) == napi_ok) {
    static_cast<Transfer*>(transfer)->Cancel();
  }
  return Undefined(env);
}

// A new `SendFileTransfer` that owns `transfer`, or null when JavaScript may no longer run.
napi_value WrapTransfer(Napi::Env env, std::unique_ptr<Transfer> transfer) {
  napi_value constructor = nullptr;
  napi_value object = nullptr;
  napi_ref transfer_class = env.GetInstanceData<Environment>()->transfer_class;
  bool is_wrapped =
      napi_get_reference_value(env, transfer_class, &constructor) == napi_ok &&
      napi_new_instance(env, constructor, 0, nullptr, &object) == napi_ok &&
      napi_wrap(env, object, transfer.get(), FinalizeTransfer, nullptr, nullptr) == napi_ok;
  if (!is_wrapped) return nullptr;
  transfer.release();
  return object;
}

// sendFile(target, fd, position, length, done)
Napi::Value SendFile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int socket = -1;
  int file = -1;
  int64_t position = 0;
  int64_t length = 0;
  napi_value target_fd = nullptr;
  if (!info[0].IsObject()) {
    ThrowTypeError(env, "target");
    return env.Undefined();
  }
  // Fails when a getter throws, which then is the error.
  if (napi_get_named_property(env, info[0], "fd", &target_fd) != napi_ok) return env.Undefined();
  if (!ReadDescriptor(Napi::Value(env, target_fd), "target.fd", &socket)) return env.Undefined();
  if (!ReadDescriptor(info[1], "fd", &file)) return env.Undefined();
  if (!ReadBytes(info[2], "position", 0, &position)) return env.Undefined();
  if (!ReadBytes(info[3], "length", 0, &length)) return env.Undefined();
  if (!info[4].IsFunction()) {
    ThrowTypeError(env, "done");
    return env.Undefined();
  }
  int flags = fcntl(socket, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK) == 0) {
    // A blocking descriptor would stop the whole event loop.
    ThrowSystemError(env, flags < 0 ? errno : EINVAL, "sendfile");
    return env.Undefined();
  }
  auto made = std::make_unique<Transfer>(env, socket, file, position, length);
  Transfer* transfer = made.get();
  napi_value object = WrapTransfer(env, std::move(made));
  if (object == nullptr) return env.Undefined();
  SendScheduler* scheduler = SendScheduler::Of(env);
  if (transfer->Begin(scheduler, object, info[4])) scheduler->Start(transfer);
  return Napi::Value(env, object);
}

}  // namespace

void ExportSendFile(Napi::Env env, Napi::Object exports) {
  napi_property_descriptor cancel = {"cancel", nullptr, CancelTransfer, nullptr, nullptr,
                                     nullptr, napi_default_method, nullptr};
  napi_value transfer_class = nullptr;
  napi_define_class(env, "SendFileTransfer", NAPI_AUTO_LENGTH, ConstructTransfer, nullptr, 1,
                    &cancel, &transfer_class);
  napi_create_reference(env, transfer_class, 1,
                        &env.GetInstanceData<Environment>()->transfer_class);
  exports.Set("sendFile", Napi::Function::New<SendFile>(env, "sendFile"));
}

}  // namespace stratalog

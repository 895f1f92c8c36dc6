// Export table of the addon: `NativeBinding` of src/native/binding.ts, in C++.
#include "napi_util.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new stratalog::Environment());
  exports.Set("kind", "addon");
  stratalog::ExportCrc32c(env, exports);
  stratalog::ExportMappedRegion(env, exports);
  stratalog::ExportPageCache(env, exports);
  stratalog::ExportRecordScan(env, exports);
  stratalog::ExportSendFile(env, exports);
  stratalog::ExportFileOps(env, exports);
  stratalog::ExportDurableWrites(env, exports);
  stratalog::ExportSync(env, exports);
  return exports;
}

NODE_API_MODULE(stratalog, Init)

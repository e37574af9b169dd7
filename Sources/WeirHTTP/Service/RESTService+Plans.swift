// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

extension RESTService {
  func planResponse(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    guard let namespace = call.route.namespace else { throw .noRoute(call.request.path) }
    try call.principal.require(.read, in: namespace)
    switch call.route {
    case .plan(_, let id):
      throw RESTError(404, "NoSuchPlanIdException", "there is no plan '\(id)'")
    case .scanTasks:
      throw RESTError(404, "NoSuchPlanTaskException", "there is no such plan task")
    default:
      throw RESTError(
        406, "UnsupportedOperationException", "this server plans no scans; clients do")
    }
  }
}

// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCurl
public import WeirStorage

extension S3ObjectStore {
  /// What S3 gives in one page at most.
  static let pageCountMax = 1_000

  public func list(
    prefix: String, after: String?, limit: Int
  ) throws(StorageError) -> ListPage {
    try ObjectPath.checkPrefix(prefix)
    guard limit > 0 else { throw .invalidLimit(limit, path: prefix) }
    var call = S3Call(method: "GET", operation: "list", path: prefix)
    call.query = [
      ("list-type", "2"), ("encoding-type", "url"), ("prefix", key(prefix)),
      ("max-keys", String(min(limit, Self.pageCountMax))),
    ]
    if let after { call.query.append(("start-after", key(after))) }
    let answer = try client.send(call)
    guard answer.fault == nil else { throw client.storageError(answer, call) }
    guard let root = XMLElement.parse(answer.response.body.array(of: UInt8.self)),
      root.name == "ListBucketResult"
    else { throw incomprehensible(call, "it is no list of objects") }
    let isEncoded = root.text(of: "EncodingType") == "url"

    var objects: [ObjectMetadata] = []
    var last: String?
    for entry in root.children where entry.name == "Contents" {
      guard let text = entry.text(of: "Key"),
        let key = isEncoded ? PercentEncoding.decode(text, plusIsSpace: true) : text,
        let size = entry.text(of: "Size").flatMap({ Int($0) }), size >= 0,
        let etag = entry.text(of: "ETag"),
        let modified = entry.text(of: "LastModified").flatMap(S3Time.iso)
      else { throw incomprehensible(call, "an entry lacks its key, size, etag or time") }
      guard key.utf8.starts(with: settings.keyPrefix.utf8) else {
        throw incomprehensible(call, "an entry does not start with the prefix asked for")
      }
      let path = String(decoding: key.utf8.dropFirst(settings.keyPrefix.utf8.count), as: UTF8.self)
      last = path
      if ObjectPath.fault(in: path) != nil { continue }
      objects.append(
        ObjectMetadata(
          path: path, size: size, etag: Self.unquoted(etag), lastModified: modified))
    }
    guard root.text(of: "IsTruncated") == "true" else {
      return ListPage(objects: objects, next: nil)
    }
    guard let last, last != after else {
      throw incomprehensible(call, "a page that is not the last has no objects")
    }
    return ListPage(objects: objects, next: last)
  }
}

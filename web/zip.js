// A ZIP of files as they are. Pictures are compressed already, so nothing is packed again.
// PKWARE, APPNOTE.TXT 6.3.10: local headers (4.3.7), central directory (4.3.12), its end (4.3.16).

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});
const UTF8_NAMES = 0x0800;
const VERSION = 20;
const MOST = 0xffff; // files and 4 GiB: beyond that ZIP64 would be needed

/** CRC-32 of ISO 3309 over the bytes. */
export function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** files: [{name, blob}], names unique; resolves to a Blob. Rejects with a RangeError over 4 GiB. */
export async function zip(files, when = new Date()) {
  const parts = [];
  const directory = [];
  const stamp = dosTime(when);
  let offset = 0;
  for (const { name, blob } of files) {
    const encoded = new TextEncoder().encode(name);
    const crc = crc32(new Uint8Array(await blob.arrayBuffer()));
    const common = [
      [2, VERSION],
      [2, UTF8_NAMES],
      [2, 0], // stored
      [4, stamp],
      [4, crc],
      [4, blob.size],
      [4, blob.size],
      [2, encoded.length],
      [2, 0],
    ];
    const header = fields([[4, 0x04034b50], ...common]);
    parts.push(header, encoded, blob);
    const place = [
      [2, 0], // comment
      [2, 0], // disk
      [2, 0],
      [4, 0], // attributes
      [4, offset],
    ];
    directory.push(fields([[4, 0x02014b50], [2, VERSION], ...common, ...place]), encoded);
    offset += header.length + encoded.length + blob.size;
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  if (offset + length > 0xffffffff || files.length > MOST) throw new RangeError("over 4 GiB");
  const end = fields([
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, files.length],
    [2, files.length],
    [4, length],
    [4, offset],
    [2, 0],
  ]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** Little-endian numbers of two or four bytes. */
function fields(list) {
  const view = new DataView(new ArrayBuffer(list.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of list) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return new Uint8Array(view.buffer);
}

const dosTime = (when) =>
  (((when.getFullYear() - 1980) << 25) |
    ((when.getMonth() + 1) << 21) |
    (when.getDate() << 16) |
    (when.getHours() << 11) |
    (when.getMinutes() << 5) |
    (when.getSeconds() >> 1)) >>>
  0;

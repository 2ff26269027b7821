// How far along a photograph is, for bars and words.

// the stages as the server names them while it works, in their order
export const STAGES = [
  "decode",
  "quality",
  "enhance",
  "faces",
  "open_weights",
  "stylise",
  "enlarge",
  "redraw",
  "repair",
  "measure",
  "encode",
];
const UPLOAD_SHARE = 0.4;

/** 0 to 1: the bytes that are up, then the stages that are over. */
export function progress(job) {
  if (job.state === "uploading") return UPLOAD_SHARE * (job.fraction ?? 0);
  if (job.state === "waiting") return UPLOAD_SHARE;
  if (job.state === "working" && job.frames) {
    return UPLOAD_SHARE + ((1 - UPLOAD_SHARE) * job.frames.done) / job.frames.total;
  }
  if (job.state === "working") {
    const over = Math.max(0, STAGES.indexOf(job.stage));
    return UPLOAD_SHARE + ((1 - UPLOAD_SHARE) * over) / STAGES.length;
  }
  return job.state === "queued" ? 0 : 1;
}

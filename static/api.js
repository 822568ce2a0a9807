// The REST API, as this page asks it.

const csrf = document.querySelector('meta[name="csrf-token"]').content;

async function answer(path, options) {
  const response = await fetch(path, { headers: { Accept: "application/json" }, ...options });
  const body = await response.json().catch(() => ({}));
  return { ok: response.ok, status: response.status, body };
}

/** The answer's JSON. Throws where it is not a good one. */
export async function get(path) {
  const { ok, status, body } = await answer(path);
  if (!ok) throw new Error(body.detail ?? `${path} answered ${status}`);
  return body;
}

export async function post(path, data) {
  const { ok, status, body } = await answer(path, {
    method: "POST",
    headers: {
      Accept: "application/json",
      "Content-Type": "application/json",
      "X-CSRFToken": csrf,
    },
    body: JSON.stringify(data),
  });
  if (!ok) throw new Error(body.detail ?? `${path} answered ${status}`);
  return body;
}

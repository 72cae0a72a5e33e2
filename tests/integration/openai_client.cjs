// Plays one scene with the openai package for Node and prints what the client saw, as JSON.
//
//     node openai_client.cjs SCENE BASE_URL

const { OpenAI, toFile } = require("openai");

const BINARY = Buffer.from(Array.from({ length: 4096 }, (_, n) => n % 256));
const QUESTION = { model: "gpt-4o", messages: [{ role: "user", content: "How are you?" }] };

const scenes = {
  async answer(client) {
    const got = await client.chat.completions.create(QUESTION);
    return got.choices[0].message.content;
  },

  async stream(client) {
    const words = [];
    const parts = await client.chat.completions.create({ ...QUESTION, stream: true });
    for await (const part of parts) words.push(part.choices[0].delta.content);
    return words;
  },

  async brokenStream(client) {
    const parts = await client.chat.completions.create({ ...QUESTION, stream: true });
    const seen = [];
    try {
      for await (const part of parts) seen.push(part.id);
    } catch {
      return [...seen, "broken"];
    }
    return [...seen, "ended"];
  },

  async rawAnswer(client) {
    const { data, response } = await client.models.list().withResponse();
    return [response.headers.get("x-request-id"), data.data.map((model) => model.id)];
  },

  async error(client) {
    try {
      await client.chat.completions.create(QUESTION);
    } catch (error) {
      return [error.constructor.name, error.status, error.error];
    }
  },

  async retry(client) {
    const got = await client.withOptions({ maxRetries: 2 }).chat.completions.create(QUESTION);
    return got.choices[0].message.content;
  },

  async upload(client) {
    const file = await toFile(BINARY, "a.bin");
    return (await client.files.create({ file, purpose: "user_data" })).id;
  },

  async download(client) {
    const got = await client.files.content("file-1");
    return Buffer.from(await got.arrayBuffer()).equals(BINARY);
  },
};

async function main([scene, baseURL]) {
  const client = new OpenAI({ baseURL, apiKey: "sk-callers-own", maxRetries: 0 });
  console.log(JSON.stringify(await scenes[scene](client)));
}

main(process.argv.slice(2));

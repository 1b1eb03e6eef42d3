// Reads so many messages of a view in a group, and tries to write to it: node kafkajs_view.js HOST:PORT TOPIC COUNT. Prints both as JSON.
const { Kafka, logLevel } = require(process.env.KAFKAJS);

async function main() {
  const [broker, topic, count] = process.argv.slice(2);
  const kafka = new Kafka({ clientId: 'e2e', brokers: [broker], logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  await producer.connect();
  let refused = null;
  await producer.send({ topic, messages: [{ value: '{}' }] }).catch((error) => { refused = error.type || error.message; });
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: 'js' });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const messages = [];
  await new Promise((resolve) => consumer.run({
    eachMessage: async ({ message }) => {
      messages.push({ key: message.key.toString(), value: message.value && message.value.toString() });
      if (messages.length === Number(count)) resolve();
    },
  }));
  await consumer.disconnect();
  console.log(JSON.stringify({ messages, refused }));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });

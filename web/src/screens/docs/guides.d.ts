// What scripts/guides.ts makes of docs/*.md when the dashboard is built.

declare module "virtual:guides" {
  export interface Guide {
    name: string;
    title: string;
    html: string;
    sections: { id: string; title: string; text: string }[];
  }
  export const guides: Guide[];
}

declare module "virtual:guide-titles" {
  export const titles: [name: string, title: string][];
}
